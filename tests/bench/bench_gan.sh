#!/bin/sh
# Times gan_train against its PyTorch peer: rounds that alternate between them, so that both meet the same weather.
# usage: bench_gan.sh [--model mlp|dcgan] GAN_TRAIN [ROUNDS [STEPS [VARIANT...]]]
set -eu

usage='usage: bench_gan.sh [--model mlp|dcgan] GAN_TRAIN [ROUNDS [STEPS [VARIANT...]]]'
model=mlp
if [ "${1:-}" = --model ]; then
  model=${2:?$usage}
  shift 2
fi
gan_train=${1:?$usage}
rounds=${2:-5}
case $model in
mlp) sizes='' steps=150 ;;
dcgan) sizes='--batch 32 --image-size 64 --ngf 16 --ndf 16' steps=20 ;;
*)
  echo "bench_gan.sh: no peer for the model '$model': there are mlp and dcgan" >&2
  exit 1
  ;;
esac
steps=${3:-$steps}
if [ $# -gt 3 ]; then shift 3; else set -- detach; fi
peer=$(dirname "$0")/peers/gan_$model.py
python=${PYTHON:-/usr/bin/python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The first "median" of a JSON object.
median_of() { sed -n 's/.*"median": *\([0-9.]*\).*/\1/p' "$1" | head -n 1; }
# The median of the numbers in a file, a line each.
middle() { sort -n "$1" | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }

printf '%-14s %12s %12s %12s %8s\n' variant 'gan_train ms' 'torch 1 thr' 'torch 2 thr' ratio
for variant; do
  left=$rounds
  while [ "$left" -gt 0 ]; do
    left=$((left - 1))
    # shellcheck disable=SC2086 # several words, here and below
    "$gan_train" --model "$model" $sizes --variant "$variant" --steps "$steps" --quiet --json "$work/a.json" > /dev/null
    median_of "$work/a.json" >> "$work/$variant.a"
    for threads in 1 2; do
      # shellcheck disable=SC2086
      "$python" "$peer" $sizes --variant "$variant" --steps "$steps" --threads "$threads" --json > "$work/b.json"
      median_of "$work/b.json" >> "$work/$variant.$threads"
    done
  done
  echo "$variant" "$(middle "$work/$variant.a")" "$(middle "$work/$variant.1")" "$(middle "$work/$variant.2")" |
    awk '{best = $3 < $4 ? $3 : $4; printf "%-14s %12.2f %12.2f %12.2f %8.2f\n", $1, $2, $3, $4, $2 / best}'
done
echo "$model: medians of $rounds rounds of $steps steps; ratio: gan_train to the faster of PyTorch's"
