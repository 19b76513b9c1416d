#!/bin/sh
# Times gan_train against its PyTorch peer: rounds that alternate between them, so that both meet the same weather. A step's time is
# the median that each program reports, or with --outside (wall time of 160 steps - wall time of 40 steps)/120, start-up cancelled.
# The ratio is to PyTorch's faster thread count of those in --threads (default "1 2"). --json writes every figure too.
# usage: bench_gan.sh [--model mlp|dcgan] [--outside] [--threads LIST] [--json FILE] GAN_TRAIN [ROUNDS [STEPS [VARIANT...]]]
# VARIANT "all" is every one.
set -eu

usage='usage: bench_gan.sh [--model mlp|dcgan] [--outside] [--threads LIST] [--json FILE] GAN_TRAIN [ROUNDS [STEPS [VARIANT...]]]'
model=mlp outside='' thread_counts='1 2' json=''
while [ $# -gt 0 ]; do
  case $1 in
  --model)
    model=${2:?$usage}
    shift
    ;;
  --outside) outside=yes ;;
  --threads)
    thread_counts=${2:?$usage}
    shift
    ;;
  --json)
    json=${2:?$usage}
    shift
    ;;
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

# "name": [numbers of a file, a line each]
array() { printf '"%s": [%s]' "$1" "$(paste -s -d , "$2")"; }

printf '%-14s %12s' variant 'gan_train ms'
for threads in $thread_counts; do printf ' %12s' "torch $threads thr"; done
printf ' %8s\n' ratio
for each; do
  left=$rounds
  while [ "$left" -gt 0 ]; do
    left=$((left - 1))
    step_ms ours "$each" >> "$work/$each.a"
    for threads in $thread_counts; do step_ms theirs "$each" "$threads" >> "$work/$each.$threads"; done
  done
  line="$each $(middle "$work/$each.a")"
  for threads in $thread_counts; do line="$line $(middle "$work/$each.$threads")"; done
  echo "$line" | awk '{best = $3; for (i = 4; i <= NF; i++) if ($i < best) best = $i
    printf "%-14s", $1; for (i = 2; i <= NF; i++) printf " %12.2f", $i; printf " %8.2f\n", $2 / best}'
done
how="of $steps steps"
if [ -n "$outside" ]; then how='from outside, of 160 and 40 steps'; fi
echo "$model: medians of $rounds rounds $how; ratio: gan_train to the faster of PyTorch's"
[ -n "$json" ] || exit 0
{
  printf '{"model": "%s", "how": "%s", "ms": {' "$model" "$how"
  between=''
  for each; do
    printf '%s"%s": {' "$between" "$each"
    array gan_train "$work/$each.a"
    for threads in $thread_counts; do printf ', ' && array "torch_$threads" "$work/$each.$threads"; done
    printf '}'
    between=', '
  done
  printf '}}\n'
} > "$json"
