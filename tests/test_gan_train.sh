#!/bin/sh
# The command line of gan_train: every kind of bad input, the outputs, the comparison, the plan without OpenCL.
# usage: test_gan_train.sh GAN_TRAIN [WITNESS.so]
# With the witness preloaded each run also fails when it leaves an OpenCL object behind.
set -u

gan_train=${1:?usage: test_gan_train.sh GAN_TRAIN [WITNESS.so]}
witness=${2:-}
: "${CLGRAD_DEVICE:=Portable Computing Language}"
export CLGRAD_DEVICE
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

ok() { passed=$((passed + 1)); }
not_ok() {
  failed=$((failed + 1))
  echo "FAILED: $*"
  sed 's/^/  out: /' "$work/out" | head -n 5
  sed 's/^/  err: /' "$work/err" | head -n 5
}
check() { # DESCRIPTION COMMAND...
  what=$1
  shift
  if "$@" > "$work/check" 2>&1; then ok; else not_ok "$what"; fi
}

# Runs gan_train; 77 stands for an OpenCL object that outlived it.
run() {
  if [ -n "$witness" ]; then
    LD_PRELOAD=$witness${LD_PRELOAD:+:$LD_PRELOAD} CLWITNESS_OUT=$work/witness CLWITNESS_STRICT=77,all \
      "$gan_train" "$@" > "$work/out" 2> "$work/err"
  else
    "$gan_train" "$@" > "$work/out" 2> "$work/err"
  fi
  status=$?
}
one_line() { [ "$(wc -l < "$work/err")" -eq 1 ] && [ ! -s "$work/out" ]; }
# ends_with STATUS TEXT ARGUMENT...: one line with TEXT on stderr, nothing on stdout.
ends_with() {
  want=$1 text=$2
  shift 2
  run "$@"
  if [ "$status" -eq "$want" ] && one_line && grep -qF -- "$text" "$work/err"; then ok; else
    not_ok "'$text' and status $want (status $status): $*"
  fi
}
refuses() { ends_with 1 "$@"; } # a run that fails
misused() { ends_with 2 "$@"; } # a command line that is wrong
# accepts ARGUMENT...: exit status 0.
accepts() {
  run "$@"
  if [ "$status" -eq 0 ]; then ok; else not_ok "accepts (status $status): $*"; fi
}
# Lines may break between any two words.
says() {
  tr '\n' ' ' < "$work/out" > "$work/flat"
  check "stdout has '$1'" grep -qF -- "$1" "$work/flat"
}
silent() { check "nothing on stderr" test ! -s "$work/err"; }
# The integer field NAME of the JSON in FILE, its first place.
field() { sed -n "s/.*\"$1\": *\([0-9.e+-]*\).*/\1/p" "$2" | head -n 1; }

# The integers of field NAME in the variants of a report; those of their phases are indented more.
fields() { sed -n "s/^      \"$1\": *\([0-9]*\),*\$/\1/p" "$2"; }
# predicted FILE: in each variant the plan was right to the byte.
predicted() {
  for kind in live reserved; do
    fields "peak_${kind}_bytes" "$1" > "$work/measured"
    fields "predicted_peak_${kind}_bytes" "$1" > "$work/predicted"
    check "every variant of $1 was predicted ($kind)" \
      sh -c "[ -s '$work/measured' ] && cmp '$work/measured' '$work/predicted'"
  done
}

# An IDX file of N zero images of 4x4, its header promising M of them.
idx() { # FILE N M(octal)
  printf '\000\000\010\003\000\000\000%b\000\000\000\004\000\000\000\004' "\\0$3" > "$1"
  head -c $(($2 * 16)) /dev/zero >> "$1"
}

short="--data ring --model mlp --batch 16 --steps 3"

# ---- help and version ----
accepts --help
says "Usage: gan_train"
says "retain_graph"
accepts --version
says "gan_train 0."

# ---- the command line ----
misused "unknown option '--nonsense'" --nonsense
misused "unknown option '-x'" -x
misused "--batch wants a value" --batch
misused "--quiet=1 takes no value" --quiet=1
misused "unexpected argument 'more'" more
all="detach retain_graph inputs recompute no_grad frozen_d checkpoint polluted one_stage naive stale"
misused "unknown variant 'foo': there are $all" --variant foo
misused "unknown variant 'foo'" --compare --variants detach,foo
misused "unknown variant ''" --variants detach,
misused "variant inputs is named twice" --variants inputs,inputs
misused "--variant runs one variant alone" --compare --variant detach
misused "unknown model 'foo': there are mlp, dcgan and wgan_gp" --model foo
misused "unknown shape 'foo'" --plan --shape foo
for bad in 0 -1 -128 1x x '' ' 1' 1.5 1e3 +1 99999999999999999999; do
  misused "--batch '$bad': want a whole number" --batch "$bad"
done
misused "--steps '0'" --steps 0
misused "--epochs 'many'" --epochs many
misused "--seed '-1'" --seed -1
misused "--wide belongs to --compare" --wide
misused "--wide belongs to --compare" --plan --compare --wide
misused "give one of them" --steps 1 --epochs 1
misused "leave out --device" --plan --device cpu
misused "leave out --samples" --plan --samples "$work/x.png"
misused "--ngf and --ndf belong to --model dcgan" --ngf 16
misused "--ngf and --ndf belong to --model dcgan" --model wgan_gp --ndf 16
misused "--critic-steps belongs to --model wgan_gp" --model mlp --critic-steps 2
misused "--lambda belongs to --model wgan_gp" --model mlp --lambda 2
misused "--nz '0': want a whole number" --nz 0
misused "--image-size '4': want a whole number from 8" --image-size 4
misused "--image-size '48': dcgan wants a power of two" --model dcgan --image-size 48
misused "dcgan wants images: ring is made of points" --model dcgan --data ring
misused "leave out --image-size" --data ring --image-size 8
misused "--channels '2': there are 1 and 3" --channels 2
misused "--samples-every wants --samples" --samples-every 5
misused "--save-every wants --save" --save-every 5
misused "--save-every '0': want a whole number" --save "$work/x" --save-every 0
misused "leave out --save and --resume" --plan --save "$work/x.st"
misused "leave out --save and --resume" --plan --resume "$work/x.st"
misused "--save and --resume want one variant" --compare --save "$work/x.st"
misused "--json and --save name the same file" --json "$work/x" --save "$work/x"
misused "--json and --samples name the same file" --json "$work/x" --samples "$work/x"
misused "--json and --report name the same file" --json "$work/x" --report "$work/x"
misused "--save and --trace name the same file" --save "$work/x" --trace "$work/x"
misused "--plan runs no kernels" --plan --trace "$work/x"
misused "--trace wants one variant" --compare --trace "$work/x"
misused "--trace wants the name of a file" --trace -

# ---- the data ----
refuses "no data set '$work/none'" --data "$work/none"
mkdir "$work/data"
images=$work/data/train-images-idx3-ubyte
refuses "no train-images-idx3-ubyte" --data "$work/data"
idx "$images" 7 010
refuses "truncated: the header promises 8 images" --data "$work/data"
idx "$images" 9 010
refuses "there is more in the file than the 8 images" --data "$work/data"
printf '\000\000\010\001\000\000\000\010\000\000\000\004\000\000\000\004' > "$images"
refuses "magic 0x00000801" --data "$work/data"
idx "$images" 8 010
refuses "batch 9 is larger than the data" --data "$work/data" --batch 9
refuses "batch 128 is larger than the data" --data "$work/data"
refuses "batch 20000 is larger than the data: ring has 16384" --data ring --batch 20000
refuses "no train-labels-idx1-ubyte" --data "$work/data" --conditional
printf '\000\000\010\001\000\000\000\007\000\001\002\003\000\001\002' > "$work/data/train-labels-idx1-ubyte"
refuses "7 labels for 8 images" --data "$work/data" --conditional
rm "$work/data/train-labels-idx1-ubyte"
gzip -c "$images" | head -c 20 > "$images.gz"
rm "$images"
refuses "train-images-idx3-ubyte.gz: " --data "$work/data"

# ---- the outputs ----
# shellcheck disable=SC2086 # $short is several words, here and below
refuses "cannot write $work/none/a.json: " $short --json "$work/none/a.json"
# shellcheck disable=SC2086
refuses "cannot write $work/none/a.png: " $short --samples "$work/none/a.png"
# shellcheck disable=SC2086
refuses "it is no regular file" $short --json "$work"
endless="--data ring --batch 16 --steps 10000000" # what is refused only at its end is never
mkfifo "$work/pipe"
ln -s /dev/full "$work/full"
for name in save samples report trace json; do
  misused "--$name wants the name of a file" --data ring --$name ''
  [ $name = json ] && continue
  for bad in "$work/pipe" "$work/full"; do
    # shellcheck disable=SC2086
    refuses "cannot write $bad: it is no regular file" $endless --$name "$bad"
  done
done
mkdir "$work/c.st.tmp"
# shellcheck disable=SC2086
refuses "c.st.tmp is in the way" $endless --save "$work/c.st"
rmdir "$work/c.st.tmp"
ln -s loop "$work/loop"
# shellcheck disable=SC2086
refuses "cannot write $work/loop: " $endless --json "$work/loop"
rm "$work/loop"

# ---- outputs over inputs ----
printf input > "$work/in"
ln -s in "$work/to_in"
ln -s new "$work/to_new"
for name in json report samples trace; do
  misused "--resume and --$name name the same file" --data ring --resume "$work/in" --$name "$work/to_in"
done
for name in json report samples save trace; do
  misused "--tuning and --$name name the same file" --data ring --tuning "$work/in" --$name "$work/./in"
done
CLGRAD_TUNING=$work/in
export CLGRAD_TUNING
misused "\$CLGRAD_TUNING and --json name the same file" --data ring --json "$work/in"
unset CLGRAD_TUNING
misused "--json and --save name the same file" --data ring --save "$work/new" --json "$work/data/../new"
misused "--samples and --save name the same file" --data ring --save "$work/to_new" --samples "$work/new"
mv "$work/in" "$work/a.st.tmp"
misused "--resume and FILE.tmp of --save name the same file" --data ring --resume "$work/a.st.tmp" --save "$work/a.st"
check "the input is as it was" test "$(cat "$work/a.st.tmp")" = input
idx "$images" 8 010
misused "--json names a file of --data" --data "$work/data" --json "$images"
misused "--report names a file of --data" --data "$work/data" --report "$images"
rm "$images" "$work/a.st.tmp" "$work/to_in" "$work/to_new"
check "nothing half-written" sh -c "! ls '$work' | grep -q 'json\|png'"

# ---- the device ----
# shellcheck disable=SC2086
refuses "no-such-device" $short --device no-such-device
saved_vendors=${OCL_ICD_VENDORS-}
export OCL_ICD_VENDORS="$work/none"
# shellcheck disable=SC2086
refuses "pocl-opencl-icd" $short --json "$work/none.json"
check "no report without a platform" test ! -e "$work/none.json"
accepts --plan --compare --data ring --json "$work/plan.json" --report "$work/plan.html"
says "retain_graph"
check "the plan predicts" grep -q predicted_peak_reserved_bytes "$work/plan.json"
check "the plan is a page" grep -q '</html>' "$work/plan.html"
check "the plan measures nothing" sh -c "! grep -q '\"peak_live_bytes\|step_ms' '$work/plan.json'"
accepts --plan --batch 1000000 --data fashion-mnist --shape gpu
says "gpu-shaped"
if [ -n "$saved_vendors" ]; then export OCL_ICD_VENDORS="$saved_vendors"; else unset OCL_ICD_VENDORS; fi

# ---- training ----
# shellcheck disable=SC2086
accepts $short --quiet --json "$work/a.json" --samples "$work/a.png"
silent
says "losses"
check "a PNG" sh -c "head -c 8 '$work/a.png' | od -An -tx1 | grep -q '89 50 4e 47 0d 0a 1a 0a'"
check "one wait a step" test "$(field waits_per_step "$work/a.json")" = 1
check "weights are null alone" grep -q '"weights": null' "$work/a.json"
check "the plan is right about live bytes" \
  test "$(field peak_live_bytes "$work/a.json")" = "$(field predicted_peak_live_bytes "$work/a.json")"
check "the plan is right about reserved bytes" \
  test "$(field peak_reserved_bytes "$work/a.json")" = "$(field predicted_peak_reserved_bytes "$work/a.json")"
if [ -n "$witness" ]; then
  check "the witness agrees about reserved bytes" \
    test "$(field peak_bytes "$work/witness")" = "$(field peak_reserved_bytes "$work/a.json")"
fi
# shellcheck disable=SC2086
accepts $short --quiet --json -
check "stdout is the report" sh -c "head -c 1 '$work/out' | grep -q '{'"
# shellcheck disable=SC2086
accepts $short --quiet --json /dev/stdout
check "stdout is the report by its other name" sh -c "head -c 1 '$work/out' | grep -q '{'"
cat "$work/pipe" > "$work/piped" &
# shellcheck disable=SC2086
accepts $short --quiet --json "$work/pipe"
: <> "$work/pipe" # lets a reader go that nobody wrote to
wait
check "a report by way of a pipe" sh -c "[ -p '$work/pipe' ] && grep -q variants '$work/piped'"
chmod 600 "$work/a.json"
ln -s a.json "$work/link.json"
ln -s new.png "$work/link.png"
# shellcheck disable=SC2086
accepts $short --quiet --json "$work/link.json" --samples "$work/link.png"
check "links stay, a private report stays private" \
  sh -c "cd '$work' && [ -L link.json ] && [ -L link.png ] && [ -s new.png ] && [ \"\$(stat -c %a a.json)\" = 600 ]"
rm -f "$images.gz"
idx "$images" 8 010
accepts --data "$work/data" --batch 8 --epochs 2 --quiet --samples "$work/b.png"
says "steps 2"

# ---- the two that must fail ----
for name in naive stale; do
  rm -f "$work/$name.json"
  # shellcheck disable=SC2086
  refuses "gan_train: " $short --variant $name --quiet --json "$work/$name.json"
  check "$name reports its error" grep -q '"status": "error"' "$work/$name.json"
  check "$name is predicted" \
    test "$(field peak_reserved_bytes "$work/$name.json")" = "$(field predicted_peak_reserved_bytes "$work/$name.json")"
done

# ---- the comparison ----
# shellcheck disable=SC2086
accepts $short --compare --quiet --json "$work/all.json"
silent
check "seven variants are bit-identical" test "$(grep -c '"bit_identical": true' "$work/all.json")" = 7
predicted "$work/all.json"
check "two have failed" test "$(grep -c '"status": "error"' "$work/all.json")" = 2
says "bit-identical to detach's"
says "polluted trains without an error by another gradient"
says "one_stage is another algorithm"
check "the variants with detach's weights have its gradient" \
  sh -c "[ \"\$(grep g_gradient_norm '$work/all.json' | sort | uniq -c | awk '{print \$1}' | sort -n | tr '\n' ' ')\" = '1 1 2 7 ' ]"
says "the same context trained on"
# Below the device, whose name is as long as its driver likes.
check "the table fits 100 columns" sh -c "! sed 1d '$work/out' | grep -v '^naive: \|^stale: ' | grep -q '.\{101\}'"
check "the first line is the device's" sh -c "head -n 1 '$work/out' | grep -q 'shaped kernels)\$'"
# shellcheck disable=SC2086
accepts $short --variants no_grad,stale --quiet --json "$work/two.json"
check "detach is not listed" sh -c "! grep -q '\"name\": \"detach\"' '$work/two.json'"
check "detach ran unseen" grep -q bit_identical "$work/two.json"

# ---- the other models ----
# shellcheck disable=SC2086
accepts $short --model wgan_gp --compare --quiet --json "$work/wgan.json"
check "seven variants of wgan_gp are bit-identical" test "$(grep -c '"bit_identical": true' "$work/wgan.json")" = 7
check "two of them have failed" test "$(grep -c '"status": "error"' "$work/wgan.json")" = 2
predicted "$work/wgan.json"
# shellcheck disable=SC2086
accepts $short --model wgan_gp --critic-steps 2 --quiet --json "$work/wgan.json"
says "of 8 modes covered"
check "the ring is judged" grep -q '"good_share"' "$work/wgan.json"
check "lambda is 10 on the ring too" test "$(field lambda "$work/wgan.json")" = 10
for name in detach retain_graph checkpoint; do
  # shellcheck disable=SC2086
  accepts $short --model wgan_gp --variant $name --lambda 5 --conditional --quiet --json "$work/$name.json"
  predicted "$work/$name.json"
done
for name in naive stale; do
  # shellcheck disable=SC2086
  refuses "gan_train: " $short --model wgan_gp --variant $name --quiet --json "$work/$name.json"
  check "wgan_gp's $name reports its error" grep -q '"status": "error"' "$work/$name.json"
done

small="--model dcgan --image-size 16 --ngf 4 --ndf 4 --nz 8 --batch 4 --steps 3 --quiet"
# shellcheck disable=SC2086
accepts $small --data "$work/data" --compare --json "$work/dcgan.json"
check "seven variants of dcgan are bit-identical" test "$(grep -c '"bit_identical": true' "$work/dcgan.json")" = 7
predicted "$work/dcgan.json"

# ---- save, resume, pictures on the way ----
# resumes ARGUMENT...: 3 steps and then 2 leave the same state as 5.
resumes() {
  accepts "$@" --steps 5 --save "$work/five.st"
  accepts "$@" --steps 3 --save "$work/three.st"
  accepts "$@" --steps 2 --resume "$work/three.st" --save "$work/again.st" --json "$work/again.json"
  check "resumed to the same state: $*" cmp "$work/five.st" "$work/again.st"
  predicted "$work/again.json"
}
resumes --data ring --model mlp --batch 5000 --quiet
resumes --model wgan_gp --data ring --batch 1000 --quiet --variant retain_graph
resumes --model dcgan --image-size 16 --ngf 4 --ndf 4 --batch 4 --quiet --data "$work/data"
# Saving on the way changes nothing; what was saved last before the end is a state to go on from.
accepts --data ring --model mlp --batch 5000 --quiet --steps 5 --save "$work/way.st" --save-every 2 --json "$work/way.json"
accepts --data ring --model mlp --batch 5000 --quiet --steps 5 --save "$work/once.st"
check "saved on the way to the same state" cmp "$work/once.st" "$work/way.st"
check "saving is no part of a step" test "$(field waits_per_step "$work/way.json")" = 1
predicted "$work/way.json"
refuses "is of another run" --data ring --model mlp --batch 16 --steps 1 --quiet --resume "$work/five.st"
head -c 100 "$work/five.st" > "$work/cut.st"
# shellcheck disable=SC2086
refuses "$work/cut.st" $short --quiet --resume "$work/cut.st"
# shellcheck disable=SC2086
refuses "$work/none" $short --quiet --resume "$work/none"
# shellcheck disable=SC2086
refuses "cannot write $work/none/a.st: " $short --quiet --save "$work/none/a.st"
# shellcheck disable=SC2086
accepts $small --steps 5 --data "$work/data" --samples "$work/on.way.png" --samples-every 2 --json "$work/on.json"
check "pictures on the way" \
  sh -c "cd '$work' && [ -s on.way-000002.png ] && [ -s on.way-000004.png ] && [ -s on.way.png ] && [ ! -e on.way-000005.png ]"
predicted "$work/on.json"
check "pictures are no part of a step" test "$(field waits_per_step "$work/on.json")" = 1

# ---- rematerialisation ----
# remat ARGUMENT...: leaves the same state, saves less, as predicted.
remat() {
  accepts "$@" --steps 3 --save "$work/plain.st" --json "$work/plain.json"
  accepts "$@" --steps 3 --save "$work/remat.st" --json "$work/remat.json" --remat
  check "the same weights with --remat: $*" cmp "$work/plain.st" "$work/remat.st"
  check "--remat saves less: $*" \
    test "$(field peak_saved_bytes "$work/remat.json")" -lt "$(field peak_saved_bytes "$work/plain.json")"
  predicted "$work/remat.json"
}
remat --data ring --model mlp --batch 48 --quiet --variant retain_graph
remat --data "$work/data" --model dcgan --image-size 16 --ngf 4 --ndf 4 --batch 4 --quiet

# ---- pictures as data, labels ----
mkdir -p "$work/pictures/one" "$work/pictures/two"
cp "$work/on.way.png" "$work/pictures/one/a.png"
cp "$work/b.png" "$work/pictures/two/b.png"
cp "$work/b.png" "$work/pictures/two/c.PNG"
misused "--samples names a file of --data" --data "$work/pictures" --samples "$work/pictures/two/c.PNG"
# shellcheck disable=SC2086
accepts $small --batch 3 --data "$work/pictures"
# shellcheck disable=SC2086
accepts $small --batch 3 --data "$work/pictures" --channels 3 --samples "$work/colour.png"
check "a picture in colour" sh -c "dd if='$work/colour.png' bs=1 skip=25 count=1 2> /dev/null | od -An -tu1 | grep -q 2"
cp "$work/on.way.png" "$work/pictures/a.png"
# shellcheck disable=SC2086
refuses "has no sub-folders with pictures" $small --batch 1 --data "$work/pictures" --conditional
rm "$work/pictures/a.png"
for model in mlp wgan_gp "dcgan --image-size 16 --ngf 4 --ndf 4"; do
  # shellcheck disable=SC2086
  accepts --model $model --batch 3 --steps 3 --quiet --data "$work/pictures" --conditional --compare --json "$work/c.json"
  check "conditional $model is bit-identical" test "$(grep -c '"bit_identical": true' "$work/c.json")" = 7
  predicted "$work/c.json"
done
resumes --data ring --model mlp --batch 16 --quiet --conditional
head -c 60 "$work/on.way.png" > "$work/pictures/two/d.png"
# shellcheck disable=SC2086
refuses "two/d.png: damaged PNG file" $small --data "$work/pictures"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
