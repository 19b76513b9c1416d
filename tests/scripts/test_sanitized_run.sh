#!/bin/bash
# tools/sanitized-run: a run whose leak search broke down is done again, the last time without what it fails at, and one that leaked
# from the driver with whole stacks; any other failure, the third breakdown, and a leak that whole stacks do not explain stand.
set -u
run=$(dirname "$0")/../tools/sanitized-run
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# program BREAKDOWNS STATUS: breaks down so many times as the leak search does, or with `tls` whenever thread-local storage is searched;
# or leaks from the driver (driver: what lsan.supp knows once stacks are whole; ours: whatever stacks say); then exits with STATUS.
cat > "$work/program" << 'EOF'
#!/bin/bash
echo run >> "$3"
path=$(grep -o 'log_path=[^:]*' <<< "$ASAN_OPTIONS")
if [ "$1" = tls ]; then
  breaks=$(grep -c 'use_tls=1' <<< "$LSAN_OPTIONS")
elif [ "$1" = ours ] || { [ "$1" = driver ] && [[ $ASAN_OPTIONS == *fast_unwind_on_malloc=1* ]]; }; then
  printf '==1==ERROR: LeakSanitizer: detected memory leaks\n #1 0x1 (/lib/libpocl.so.2+0x1)\n' > "${path#log_path=}.$$"
  exit 1
elif [ "$1" = driver ]; then
  breaks=0
else
  breaks=$(($(wc -l < "$3") <= $1))
fi
if [ "$breaks" = 1 ]; then
  echo '==1==LeakSanitizer has encountered a fatal error.' > "${path#log_path=}.$$"
  exit 1
fi
exit "$2"
EOF
chmod +x "$work/program"
failed=0
# check NAME BREAKDOWNS STATUS WANT-STATUS WANT-RUNS
check() {
  rm -f "$work/runs"
  "$run" "$work/program" "$2" "$3" "$work/runs" 2> /dev/null
  local status=$? runs
  runs=$(wc -l < "$work/runs")
  if [ "$status" = "$4" ] && [ "$runs" = "$5" ]; then
    echo "ok $1"
  else
    echo "not ok $1: status $status, runs $runs"
    failed=1
  fi
}
check "passes" 0 0 0 1
check "fails" 0 3 3 1
check "passes after a breakdown" 1 0 0 2
check "fails after a breakdown" 1 1 1 2
check "breaks down at thread-local storage" tls 0 0 3
check "breaks down three times" 9 0 1 3
check "leaks from the driver's compiler" driver 0 0 2
check "leaks an object of the driver's" ours 0 1 2
exit "$failed"
