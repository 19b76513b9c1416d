#!/bin/sh
# test_golden_runner.sh GOLDEN_RUNNER FOLDER: the runner notices wrong data, and refuses what it cannot read without crashing.
set -u
runner=$1 golden=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# expect WHAT STATUS TEXT [RUNNER-ARGUMENT...]: the exit status, and a line of output with the text.
expect() {
  what=$1 want=$2 text=$3
  shift 3
  "$runner" "$work/data" "$@" > "$work/out" 2>&1
  status=$?
  if [ "$status" -eq "$want" ] && grep -q -- "$text" "$work/out"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAILED: $what: status $status, not $want, or no '$text' in:"
    head -n 5 "$work/out"
  fi
}

fresh() {
  rm -rf "$work/data"
  mkdir "$work/data"
  cp "$golden/manifest.json" "$golden/optim.npy" "$work/data/"
  chmod -R u+w "$work/data"
}
# poke FILE OFFSET OCTAL: overwrites one byte.
poke() { printf '%b' "\\0$3" | dd of="$work/data/$1" bs=1 seek="$2" conv=notrunc 2> /dev/null; }

fresh
expect "right data pass" 0 '^[1-9][0-9]* passed, 0 failed, 0 skipped$' --section optim
# The last float of the pool belongs to the last case; its highest byte decides sign and size.
poke optim.npy $(($(wc -c < "$work/data/optim.npy") - 1)) 102
expect "a changed value fails" 1 'FAIL optim .* is off by' --section optim
fresh
head -c 500 "$golden/optim.npy" > "$work/data/optim.npy"
expect "a truncated file fails" 1 'not a float32 .npy file of the size' --section optim
fresh
poke optim.npy 0 101
expect "another kind of file fails" 1 'not a float32 .npy file' --section optim
fresh
rm "$work/data/optim.npy"
expect "a missing file fails" 1 'cannot open' --section optim
fresh
sed 's/"offset": [0-9]*/"offset": 999999999/' "$golden/manifest.json" > "$work/data/manifest.json"
expect "an offset past the end fails" 1 'past the end' --section optim
sed 's/"optim.npy"/"..\/optim.npy"/' "$golden/manifest.json" > "$work/data/manifest.json"
expect "a name outside the folder fails" 1 'leaves the folder' --section optim
fresh
expect "an unknown section is an error" 1 'no section' --section nonsense
echo '{"ops": [{"name": "odd", "op": "nonsense"}]}' > "$work/data/manifest.json"
expect "only skipped cases are an error" 1 '^0 passed, 0 failed, 1 skipped$'
head -c 1000 "$golden/manifest.json" > "$work/data/manifest.json"
expect "a broken manifest is an error" 2 'manifest.json'
echo '{"ops": [1, {"op": "add"}, {"op": "add", "inputs": {}, "outputs": 3}], "optim": "x", "gans": {"g": {"variants": {"V1": 1, "V9": {}}}}}' \
  > "$work/data/manifest.json"
expect "a manifest of other shapes fails" 1 '^0 passed, [1-9]'
rm "$work/data/manifest.json"
expect "a folder without a manifest is an error" 2 'manifest.json'

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
