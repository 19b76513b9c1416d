#!/bin/sh
# clgrad_tune: its command line, the table that it makes, and gan_train with that table: results repeat, name it, and go with it.
# usage: test_clgrad_tune.sh CLGRAD_TUNE GAN_TRAIN
set -u

tune=${1:?usage: test_clgrad_tune.sh CLGRAD_TUNE GAN_TRAIN}
gan_train=${2:?usage: test_clgrad_tune.sh CLGRAD_TUNE GAN_TRAIN}
: "${CLGRAD_DEVICE:=Portable Computing Language}"
export CLGRAD_DEVICE CLGRAD_SHAPE=cpu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# expect STATUS WHAT COMMAND...: its exit status.
expect() {
  want=$1 what=$2
  shift 2
  "$@" > "$work/out" 2> "$work/err"
  got=$?
  [ "$got" -eq "$want" ] && return
  failed=$((failed + 1))
  echo "FAILED: $what: status $got, not $want"
  sed 's/^/  /' "$work/out" "$work/err" | head -n 8
}
has() { # FILE PATTERN
  grep -q -- "$2" "$work/$1" && return
  failed=$((failed + 1))
  echo "FAILED: $1 has no '$2'"
  sed 's/^/  /' "$work/$1" | head -n 8
}
one_line() { [ "$(wc -l < "$work/err")" -eq 1 ] || { failed=$((failed + 1)) && echo "FAILED: not one line: $(cat "$work/err")"; }; }

expect 0 help "$tune" --help
has out '^Usage: clgrad_tune'
expect 0 version "$tune" --version
has out '^clgrad_tune [0-9]'
for bad in '' '--rounds 0 x' '--rounds 1x x' '--shape disc x' '--only gemm x' '--candidates 0 x' '--nonsense x' 'a b'; do
  # shellcheck disable=SC2086
  expect 2 "bad command line: $bad" "$tune" $bad
  one_line
done
expect 1 'no such folder' "$tune" "$work/none/table"
one_line
has err "$work/none/table"
expect 1 'no name' "$tune" ''
one_line
echo 'somebody else wrote this' > "$work/other"
cp "$work/other" "$work/other_kept"
mkfifo "$work/pipe"
ln -s /dev/full "$work/full"
for bad in "$work/other" "$work/pipe" "$work/full" "$work"; do
  expect 1 "no file to replace: $bad" "$tune" --device nonsense "$bad" # seen before any device is asked for
  one_line
  has err "$bad"
done
cmp "$work/other" "$work/other_kept" || failed=$((failed + 1))
expect 1 'no such device' "$tune" --device nonsense "$work/table"

# ---- a table ----
: > "$work/table" # empty, private, and by way of a link
chmod 600 "$work/table"
ln -s table "$work/link"
expect 0 'a table' "$tune" --rounds 1 --json "$work/link"
if [ ! -L "$work/link" ] || [ "$(stat -c %a "$work/table")" != 600 ]; then failed=$((failed + 1)) && echo "FAILED: link or mode lost"; fi
cp "$work/out" "$work/measured.json"
has table '^clgrad-tuning 1$'
has table '^end [0-9a-f]\{16\}$'
hash=$(sed -n 's/^end //p' "$work/table")
has measured.json "\"hash\": \"$hash\""
has measured.json '"products": \[$'
has measured.json '"convolutions": \[$'
has measured.json '"output": "w"'

# ---- gan_train with it ----
train() { "$gan_train" --data ring --model mlp --batch 32 --steps 6 --quiet --json "$@"; }
expect 0 'a run' train "$work/one.json" --tuning "$work/table" --save "$work/one"
has one.json "\"tuning\": \"$hash\""
expect 0 'the same run by the variable' env CLGRAD_TUNING="$work/table" "$gan_train" --data ring --model mlp --batch 32 --steps 6 --quiet \
  --save "$work/two"
cmp "$work/one" "$work/two" || failed=$((failed + 1))
expect 0 'a run without' train "$work/without.json" --save "$work/without"
has without.json '"tuning": null'
expect 0 'going on with it' train "$work/more.json" --tuning "$work/table" --resume "$work/one"
expect 1 'going on without it' train "$work/more.json" --resume "$work/one"
one_line
has err 'another tuning table'
expect 1 'going on with it where there was none' train "$work/more.json" --tuning "$work/table" --resume "$work/without"
one_line
expect 0 'a plan' "$gan_train" --plan --data ring --model mlp --json "$work/plan.json" --tuning "$work/table"
has plan.json "\"tuning\": \"$hash\""
sed 's/^driver .*/driver another/' "$work/table" > "$work/damaged"
expect 1 'a damaged table' train "$work/more.json" --tuning "$work/damaged"
one_line
has err "$work/damaged"
expect 1 'no table' train "$work/more.json" --tuning "$work/nothing"
one_line
expect 1 'another shape' train "$work/more.json" --shape gpu --tuning "$work/table"
one_line

# ---- CLBlast's parameters: one candidate, since each takes seconds to build on a CPU ----
# Interrupted, however fast the device is.
for seconds in 3 1 0.3 0.1; do
  cp "$work/table" "$work/kept"
  timeout "$seconds" "$tune" --shape gpu --only xgemm --quiet "$work/kept"
  [ $? -ne 124 ] || break
done
cmp "$work/table" "$work/kept" || failed=$((failed + 1))
[ "$(ls "$work"/kept*)" = "$work/kept" ] || { failed=$((failed + 1)) && echo "FAILED: something was left behind"; }
expect 0 'a set of parameters' "$tune" --shape gpu --only xgemm --candidates 1 --rounds 1 --quiet --json "$work/gpu_table"
cp "$work/out" "$work/measured.json"
has measured.json '"result": "measured"'
hash=$(sed -n 's/^end //p' "$work/gpu_table")
has measured.json "\"hash\": \"$hash\""
expect 0 'a plan with them' "$gan_train" --plan --data ring --model mlp --shape gpu --json "$work/plan.json" --tuning "$work/gpu_table"
has plan.json "\"tuning\": \"$hash\""
{ sed '/^clblast/d; /^product/d; /^end/d' "$work/gpu_table" && echo 'clblast GemmRoutine XGEMM_MIN_INDIRECT_SIZE 0'; } > "$work/zero"
expect 1 'a parameter of 0' "$gan_train" --plan --data ring --model mlp --shape gpu --json "$work/plan.json" --tuning "$work/zero"
one_line
has err 'line 6: GemmRoutine: XGEMM_MIN_INDIRECT_SIZE is 0'

[ "$failed" -eq 0 ]
