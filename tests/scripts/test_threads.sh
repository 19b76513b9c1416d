#!/bin/sh
# The first contexts of a process in several threads, and shards that take turns on threads of their own, under ThreadSanitizer: in a
# build of its own.
# Usage: test_threads.sh SOURCE_ROOT
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
meson setup "$folder/build" "$1" -Db_sanitize=thread -Db_lundef=false -Dmpi=disabled -Dtests=enabled > "$folder/log" 2>&1 ||
  { cat "$folder/log"; exit 1; }
ninja -C "$folder/build" tests/first_contexts tests/test_meeting apps/gan_train/gan_train > "$folder/log" 2>&1 ||
  { cat "$folder/log"; exit 1; }
export TSAN_OPTIONS="suppressions=$1/tests/tools/tsan.supp" OCL_ICD_VENDORS=pocl.icd
for threads in 2 5 8; do
  for first in create list; do
    timeout 900 "$folder/build/tests/first_contexts" "$first" "$threads"
  done
done
timeout 900 "$folder/build/tests/test_meeting"
[ -d /usr/share/datasets/fashion-mnist ] || exit 0
timeout 900 "$folder/build/apps/gan_train/gan_train" --data fashion-mnist --model dcgan --image-size 8 --ngf 4 --ndf 4 --batch 16 \
  --shards 4 --sync-batch-norm --steps 3 --quiet
