#!/bin/sh
# clgrad_info: what it lists, its self-test, its errors, and that no OpenCL object outlives it.
# Usage: test_clgrad_info.sh CLGRAD_INFO WITNESS
set -u
info=$1
witness=$2
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
failed=0

complain() {
  echo "FAIL: $*" >&2
  failed=1
}

# want STATUS ARGUMENTS...: runs under the witness, which turns anything left alive into status 9.
want() {
  status=$1
  shift
  CLWITNESS_STRICT=9,all CLWITNESS_OUT="$folder/witness" LD_PRELOAD="$witness${LD_PRELOAD:+:$LD_PRELOAD}" \
    "$info" "$@" >"$folder/out" 2>"$folder/err"
  got=$?
  [ $got -eq "$status" ] || complain "status $got, not $status: $*: $(cat "$folder/err")"
}
out_has() { grep -q "$1" "$folder/out" || complain "no '$1' in the output: $(cat "$folder/out")"; }
# One clear line.
err_has() {
  grep -q "$1" "$folder/err" || complain "no '$1' in the error: $(cat "$folder/err")"
  [ "$(wc -l <"$folder/err")" -eq 1 ] || complain "not one line: $(cat "$folder/err")"
}

want 0 --help
out_has '^Usage: clgrad_info'
want 0 --version
out_has '^clgrad_info [0-9]'
want 0
out_has '(chosen)'
out_has 'self-test  6 of 6 passed'
out_has 'bits       the reference.s of the [cg]pu shape'
for shape in cpu gpu; do
  CLGRAD_SHAPE=$shape
  export CLGRAD_SHAPE
  want 0 --json
  python3 - "$folder/out" "$shape" <<'END' || complain "--json in shape $shape"
import json, sys
info = json.load(open(sys.argv[1]))
chosen = [d for d in info["devices"] if d["chosen"]]
assert len(chosen) == 1 and chosen[0]["usable"] and chosen[0]["shape"] == sys.argv[2], chosen
assert chosen[0]["self_test"]["passed"] == chosen[0]["self_test"]["tests"] == 6, chosen
assert chosen[0]["global_bytes"] > 0 and info["version"]
bits = chosen[0]["bits"]
assert bits["reference"] and not bits["differ"] and not bits["arithmetic"], bits
assert len(bits["hashes"]) == len(set(bits["hashes"].values())), bits
END
done
unset CLGRAD_SHAPE

# Work-groups too small for CLBlast, as PoCL can be told to have: kernels of ours serve, and nothing is printed through us.
if [ "${CLGRAD_DEVICE:-}" = "Portable Computing Language" ]; then
  POCL_MAX_WORK_GROUP_SIZE=32 CLGRAD_SHAPE=gpu want 0 --device-file "$folder/device"
  out_has 'self-test  6 of 6 passed'
  grep -qv '^compiling kernels for this device, once: ' "$folder/err" && complain "small work-groups print: $(cat "$folder/err")"
  grep -q '^gemm none$' "$folder/device" || complain "the device file: $(cat "$folder/device")"
fi

want 0 --no-self-test --device-file "$folder/device"
grep -q '^gemm [0-9 ]*$' "$folder/device" || complain "the device file: $(cat "$folder/device")"
want 1 --no-self-test --device-file "$folder/none/device"
err_has 'cannot write'
want 1 --device 'no such device'
err_has 'no device matches "no such device": there is '
want 1 --device 99:99
err_has 'no device matches'
want 2 --nonsense
err_has 'nonsense'
want 2 extra
err_has 'unexpected argument: extra'
CLGRAD_FMA=off want 0 --no-self-test
out_has 'shape, .*, multiply and add instead of fma: bits differ'
CLGRAD_FMA=on want 0 --no-self-test
out_has 'shape, .*, fma$'
CLGRAD_FMA=maybe want 1 --device "${CLGRAD_DEVICE:-cpu}"
err_has 'CLGRAD_FMA is "maybe": it must be on or off'
# In the GPU shape bits are the reference's only where that is asked for.
CLGRAD_SHAPE=gpu want 0
out_has 'with CLGRAD_REPRODUCIBLE=on, which is off: products may be CLBlast.s'
CLGRAD_SHAPE=gpu CLGRAD_REPRODUCIBLE=on want 0
grep -q 'CLGRAD_REPRODUCIBLE' "$folder/out" && complain "it is on: $(cat "$folder/out")"
out_has 'bits       the reference.s of the gpu shape$'
CLGRAD_FMA=off want 0
out_has 'bits       not tried: without fma bits are not reproducible: unset CLGRAD_FMA$'
CLGRAD_SHAPE=round want 1 --device "${CLGRAD_DEVICE:-cpu}"
err_has 'CLGRAD_SHAPE'
OCL_ICD_VENDORS=/nonexistent want 1
err_has 'apt install pocl-opencl-icd'
"$info" >/dev/full 2>/dev/null && complain 'a full disk is not noticed'
exit $failed
