#!/bin/sh
# Times gan_train against its PyTorch peer: rounds that alternate between them, so that both meet the same weather. A step's time is
# the median that each program reports, or with --outside (wall time of 160 steps - wall time of 40 steps)/120, start-up cancelled.
# usage: bench_gan.sh [--model mlp|dcgan] [--outside] GAN_TRAIN [ROUNDS [STEPS [VARIANT...]]]    VARIANT "all": every one
set -eu

usage='usage: bench_gan.sh [--model mlp|dcgan] [--outside] GAN_TRAIN [ROUNDS [STEPS [VARIANT...]]]'
model=mlp outside=
while [ $# -gt 0 ]; do
  case $1 in
  --model)
    model=${2:?$usage}
    shift
    ;;
  --outside) outside=yes ;;
  *) break ;;
  esac
  shift
done
gan_train=${1:?$usage}
rounds=${2:-5}
case $model in
mlp) sizes='' steps=150 variants='detach retain_graph inputs recompute no_grad frozen_d' ;;
dcgan)
  sizes='--batch 32 --image-size 64 --ngf 16 --ndf 16' steps=20
  variants='detach retain_graph inputs recompute no_grad frozen_d checkpoint'
  ;;
*)
  echo "bench_gan.sh: no peer for the model '$model': there are mlp and dcgan" >&2
  exit 1
  ;;
esac
steps=${3:-$steps}
if [ $# -gt 3 ]; then shift 3; else set -- detach; fi
# shellcheck disable=SC2086 # several words, here and below
if [ "$1" = all ]; then set -- $variants; fi
peer=$(dirname "$0")/peers/gan_$model.py
python=${PYTHON:-/usr/bin/python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Their outputs as JSON in $work/json: ours VARIANT STEPS, theirs VARIANT STEPS THREADS.
ours() {
  # shellcheck disable=SC2086
  "$gan_train" --model "$model" $sizes --variant "$1" --steps "$2" --quiet --json "$work/json" > /dev/null
}
theirs() {
  # shellcheck disable=SC2086
  "$python" "$peer" $sizes --variant "$1" --steps "$2" --threads "$3" --json > "$work/json"
}
now() { date +%s%N; }
# Milliseconds a step of a command that takes VARIANT STEPS and perhaps more.
step_ms() {
  command=$1 variant=$2
  shift 2
  if [ -z "$outside" ]; then
    "$command" "$variant" "$steps" "$@"
    sed -n 's/.*"median": *\([0-9.]*\).*/\1/p' "$work/json" | head -n 1
    return
  fi
  a=$(now)
  "$command" "$variant" 40 "$@"
  b=$(now)
  "$command" "$variant" 160 "$@"
  c=$(now)
  awk -v a="$a" -v b="$b" -v c="$c" 'BEGIN {printf "%.4f\n", (c - 2*b + a)/1e6/120}'
}
# The median of the numbers in a file, a line each.
middle() { sort -n "$1" | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }

printf '%-14s %12s %12s %12s %8s\n' variant 'gan_train ms' 'torch 1 thr' 'torch 2 thr' ratio
for each; do
  left=$rounds
  while [ "$left" -gt 0 ]; do
    left=$((left - 1))
    step_ms ours "$each" >> "$work/$each.a"
    for threads in 1 2; do step_ms theirs "$each" "$threads" >> "$work/$each.$threads"; done
  done
  echo "$each" "$(middle "$work/$each.a")" "$(middle "$work/$each.1")" "$(middle "$work/$each.2")" |
    awk '{best = $3 < $4 ? $3 : $4; printf "%-14s %12.2f %12.2f %12.2f %8.2f\n", $1, $2, $3, $4, $2 / best}'
done
how="of $steps steps"
if [ -n "$outside" ]; then how='from outside, of 160 and 40 steps'; fi
echo "$model: medians of $rounds rounds $how; ratio: gan_train to the faster of PyTorch's"
