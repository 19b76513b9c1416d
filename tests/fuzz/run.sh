#!/bin/bash
# Fuzzes every parser and sequences of calls of the API with libFuzzer, under ASan and UBSan; needs clang.
# tests/fuzz/run.sh SECONDS [TARGET...]: so long for all of them together; $FUZZ_SEED is 1 unless set. Ends with 1 when something was
# found: the input is then in build-fuzz/work/TARGET/found, to be kept in tests/fuzz/corpus/TARGET once the fault is mended.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(realpath "$here/../..")
build=$root/build-fuzz
seconds=${1:?usage: run.sh SECONDS [TARGET...]}
shift

if [ ! -f "$build/build.ninja" ]; then
  CC=clang meson setup "$build" "$root" -Dfuzz=true -Dtests=enabled -Dbuildtype=debugoptimized -Db_sanitize=address,undefined \
    -Db_lundef=false -Dc_args='-fsanitize=fuzzer-no-link -fno-sanitize-recover=undefined' > /dev/null || exit 2
fi
ninja -C "$build" fuzz > "$build/ninja.log" || { cat "$build/ninja.log"; exit 2; }
if [ $# -eq 0 ]; then
  for target in "$build"/tests/fuzz/fuzz_*; do
    [ ! -f "$target" ] || set -- "$@" "$(basename "$target" | sed 's/^fuzz_//')"
  done
fi

longest() { # of an input, in bytes
  case $1 in options) echo 400 ;; expr) echo 600 ;; api) echo 1500 ;; image) echo 20000 ;; *) echo 4096 ;; esac
}
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1:handle_abort=1 UBSAN_OPTIONS=print_stacktrace=1
unset CLGRAD_TUNING CLGRAD_SHAPE CLGRAD_DEVICE
each=$((seconds / $# > 0 ? seconds / $# : 1))
bad=0
for name in "$@"; do
  work=$build/work/$name
  mkdir -p "$work/corpus" "$work/found" "$here/corpus/$name"
  words=()
  dictionary=$here/words/${name/map/expr}.dict # formulas, both
  [ ! -f "$dictionary" ] || words=("-dict=$dictionary")
  (cd "$work" && "$build/tests/fuzz/fuzz_$name" -seed="${FUZZ_SEED:-1}" -max_total_time="$each" -max_len="$(longest "$name")" \
    -timeout=20 -rss_limit_mb=4000 -malloc_limit_mb=3000 -artifact_prefix=found/ -print_final_stats=1 "${words[@]}" corpus "$build/tests/fuzz/seeds/$name" \
    "$here/corpus/$name" > log 2>&1)
  status=$?
  [ "$status" = 0 ] || bad=1
  inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/log")
  echo "$name: status $status, ${inputs:-0} inputs. $(grep -m1 -E '^SUMMARY|^WRONG|runtime error' "$work/log" | cut -c1-200)"
done
rmdir "$here"/corpus/* 2> /dev/null
exit $bad
