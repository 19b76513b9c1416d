#!/bin/sh
# Times gan_train against its peers in PyTorch and, variant detach, in JAX: rounds that alternate between them, so that all meet the
# same weather. A step's time is the median that each program reports, or with --outside (wall time of 160 steps - wall time of 40
# steps)/120, start-up cancelled. Ratios are to PyTorch's faster thread count of those in --threads (default "1 2"), and to JAX on
# all CPUs. Which of both there are, $PYTHON says (default /usr/bin/python3). --width is dcgan's ngf and ndf (default 16).
# Threads of PoCL and PyTorch are pinned (POCL_AFFINITY, OMP_PROC_BIND) unless the environment says otherwise: the system may run both
# on one core for a while.
# --json writes every figure too. Words in $OURS_UNDER are put before GAN_TRAIN, for instance tests/tools/hostcpu-run LIBRARY haswell.
# usage: bench_gan.sh [--model mlp|dcgan] [--width N] [--outside] [--threads LIST] [--json FILE] GAN_TRAIN [ROUNDS [STEPS [VARIANT...]]]
# VARIANT "all" is every one.
set -eu

usage='usage: bench_gan.sh [--model mlp|dcgan] [--width N] [--outside] [--threads LIST] [--json FILE] GAN_TRAIN [ROUNDS [STEPS [VARIANT...]]]'
model=mlp width=16 outside='' thread_counts='1 2' json=''
while [ $# -gt 0 ]; do
  case $1 in
  --model)
    model=${2:?$usage}
    shift
    ;;
  --width)
    width=${2:?$usage}
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
  sizes="--batch 32 --image-size 64 --ngf $width --ndf $width" steps=20
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
peers=$(dirname "$0")/peers
python=${PYTHON:-/usr/bin/python3}
work=$(mktemp -d)
export POCL_AFFINITY="${POCL_AFFINITY:-1}" OMP_PROC_BIND="${OMP_PROC_BIND:-true}"
trap 'rm -rf "$work"' EXIT

has() { "$python" -c "import $1" 2> /dev/null; }
if ! has torch; then
  echo "bench_gan.sh: $python has no PyTorch: left out" >&2
  thread_counts=''
fi
jax=yes
if ! has jax,optax; then
  echo "bench_gan.sh: $python has no JAX with optax: left out" >&2
  jax=''
fi

# Their outputs as JSON in $work/json: ours VARIANT STEPS, torch VARIANT STEPS THREADS, jax VARIANT STEPS.
# shellcheck disable=SC2086
ours() {
  ${OURS_UNDER:-} "$gan_train" --model "$model" $sizes --variant "$1" --steps "$2" --quiet --json "$work/json" > /dev/null
}
# shellcheck disable=SC2086
torch() { "$python" "$peers/gan_$model.py" $sizes --variant "$1" --steps "$2" --threads "$3" --json > "$work/json"; }
# shellcheck disable=SC2086
jax() { "$python" "$peers/gan_jax.py" --model "$model" $sizes --steps "$2" --json > "$work/json"; }
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
printf ' %12s %8s %8s\n' JAX /PyTorch /JAX
for each; do
  left=$rounds
  beside=''
  if [ "$each" = detach ]; then beside=$jax; fi
  while [ "$left" -gt 0 ]; do
    left=$((left - 1))
    step_ms ours "$each" >> "$work/$each.a"
    for threads in $thread_counts; do step_ms torch "$each" "$threads" >> "$work/$each.$threads"; done
    if [ -n "$beside" ]; then step_ms jax "$each" >> "$work/$each.jax"; fi
  done
  line="$each $(middle "$work/$each.a")"
  for threads in $thread_counts; do line="$line $(middle "$work/$each.$threads")"; done
  if [ -n "$beside" ]; then line="$line $(middle "$work/$each.jax")"; else line="$line -"; fi
  echo "$line" | awk '
    function ratio(to) { if (to > 0) printf " %8.2f", $2 / to; else printf " %8s", "-" }
    {
      for (i = 3; i < NF; i++) if (!best || $i < best) best = $i
      printf "%-14s", $1
      for (i = 2; i <= NF; i++) if ($i == "-") printf " %12s", $i; else printf " %12.2f", $i
      ratio(best)
      ratio($NF)
      print ""
    }'
done
how="of $steps steps"
if [ -n "$outside" ]; then how='from outside, of 160 and 40 steps'; fi
echo "$model: medians of $rounds rounds $how; ratios: gan_train to the faster of PyTorch's, and to JAX"
[ -n "$json" ] || exit 0
{
  printf '{"model": "%s", "sizes": "%s", "how": "%s", "ms": {' "$model" "$sizes" "$how"
  between=''
  for each; do
    printf '%s"%s": {' "$between" "$each"
    array gan_train "$work/$each.a"
    for threads in $thread_counts; do printf ', ' && array "torch-$threads" "$work/$each.$threads"; done
    if [ -e "$work/$each.jax" ]; then printf ', ' && array jax "$work/$each.jax"; fi
    printf '}'
    between=', '
  done
  printf '}}\n'
} > "$json"
