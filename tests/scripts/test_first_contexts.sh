#!/bin/sh
# Two to eight threads whose contexts are their process's first calls to OpenCL: RUNS processes, one driver.
# Usage: test_first_contexts.sh FIRST_CONTEXTS RUNS
set -u
failed=0
run=0
while [ "$run" -lt "$2" ]; do
  threads=$((2 + run % 7))
  [ $((run % 2)) -eq 0 ] && first=create || first=list
  # With one driver the threads meet in it; with several the first ones queue up in the loader.
  OCL_ICD_VENDORS=${OCL_ICD_VENDORS:-pocl.icd} timeout 900 "$1" "$first" "$threads" || {
    echo "FAIL: status $? with $threads threads ($first), run $run" >&2
    failed=$((failed + 1))
  }
  run=$((run + 1))
done
[ "$failed" -eq 0 ] || echo "$failed of $2 runs failed" >&2
[ "$failed" -eq 0 ]
