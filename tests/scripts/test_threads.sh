#!/bin/sh
# The first contexts of a process in several threads, under ThreadSanitizer: in a build of its own.
# Usage: test_threads.sh SOURCE_ROOT
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
meson setup "$folder/build" "$1" -Db_sanitize=thread -Db_lundef=false -Dapps=disabled -Dtests=enabled > "$folder/log" 2>&1 ||
  { cat "$folder/log"; exit 1; }
ninja -C "$folder/build" tests/first_contexts > "$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
export TSAN_OPTIONS="suppressions=$1/tests/tools/tsan.supp" OCL_ICD_VENDORS=pocl.icd
for threads in 2 5 8; do
  for first in create list; do
    timeout 900 "$folder/build/tests/first_contexts" "$first" "$threads"
  done
done
