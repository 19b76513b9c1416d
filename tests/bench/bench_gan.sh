#!/bin/sh
# Times gan_train against its PyTorch peer: rounds that alternate between them, so that both meet the same weather.
# usage: bench_gan.sh GAN_TRAIN [ROUNDS [STEPS [VARIANT...]]]
set -eu

gan_train=${1:?usage: bench_gan.sh GAN_TRAIN [ROUNDS [STEPS [VARIANT...]]]}
rounds=${2:-5}
steps=${3:-150}
if [ $# -gt 3 ]; then shift 3; else set -- detach; fi
peer=$(dirname "$0")/peers/gan_mlp.py
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
    "$gan_train" --variant "$variant" --steps "$steps" --quiet --json "$work/a.json" > /dev/null
    median_of "$work/a.json" >> "$work/$variant.a"
    for threads in 1 2; do
      "$python" "$peer" --variant "$variant" --steps "$steps" --threads "$threads" --json > "$work/b.json"
      median_of "$work/b.json" >> "$work/$variant.$threads"
    done
  done
  echo "$variant" "$(middle "$work/$variant.a")" "$(middle "$work/$variant.1")" "$(middle "$work/$variant.2")" |
    awk '{best = $3 < $4 ? $3 : $4; printf "%-14s %12.2f %12.2f %12.2f %8.2f\n", $1, $2, $3, $4, $2 / best}'
done
echo "medians of $rounds rounds of $steps steps; ratio: gan_train to the faster of PyTorch's"
