#!/bin/sh
# quickstart.sh        installs what is missing, builds in ./build, and compares the ways to train a GAN on Fashion-MNIST: a table here,
#                      and a page with all there is to see in ./report.html
# quickstart.sh test   the same, but runs the tests
#
# Packages are installed on Debian and Ubuntu, as root or with sudo. Elsewhere what is missing is named and nothing is done.
set -eu
cd "$(dirname "$0")"

mode=${1:-compare}
case $mode in
compare | test) ;;
*)
  echo "usage: quickstart.sh [test]" >&2
  exit 2
  ;;
esac

# Lines "what it is|its Debian packages" for everything that is not there.
missing=""
lacks() { missing="$missing$1|$2
"; }
command_or() { command -v "$1" > /dev/null 2>&1 || lacks "the program $1" "$2"; }
module_or() { pkg-config --exists "$1" 2> /dev/null || lacks "the library $1" "$2"; }

compiles() {
  printf '#include <stdio.h>\nint main(void) { return 0; }\n' | "$1" -x "$2" - -o /dev/null 2> /dev/null
}

look() {
  missing=""
  compiles cc c || lacks "a C compiler" "gcc libc6-dev"
  command_or meson meson
  command_or ninja ninja-build
  command_or pkg-config pkg-config
  module_or OpenCL ocl-icd-opencl-dev
  module_or clblast libclblast-dev
  module_or zlib zlib1g-dev
  module_or libpng libpng-dev
  module_or libjpeg libjpeg-dev
  module_or jansson libjansson-dev
  set -- /etc/OpenCL/vendors/*.icd
  if [ "$mode" = test ]; then
    # The tests name PoCL, so that they run the same everywhere.
    [ -e /etc/OpenCL/vendors/pocl.icd ] || lacks "the OpenCL implementation PoCL" pocl-opencl-icd
    module_or check check
    compiles c++ c++ || lacks "a C++ compiler" "g++"
  elif [ ! -e "$1" ]; then
    lacks "an OpenCL implementation" pocl-opencl-icd
  fi
  [ -d /usr/share/datasets/fashion-mnist ] || lacks "the images of Fashion-MNIST" dataset-fashion-mnist
}

# How to become root, if there is a way: "" as root, "sudo" where it works.
find_root() {
  if [ "$(id -u)" = 0 ]; then
    root=""
  elif command -v sudo > /dev/null 2>&1 && { [ -t 0 ] || sudo -n true 2> /dev/null; }; then
    root=sudo
  else
    return 1
  fi
}

give_up() {
  echo "quickstart.sh: missing:" >&2
  printf '%s' "$missing" | sed 's/\(.*\)|\(.*\)/  \1 (Debian: \2)/' >&2
  echo "quickstart.sh: $1" >&2
  exit 1
}

install_missing() {
  command -v apt-get > /dev/null 2>&1 || give_up "install these, then run it again (there is no apt here to do it)"
  find_root || give_up "install these as root, then run it again"
  packages=$(printf '%s' "$missing" | sed 's/.*|//' | tr '\n' ' ')
  echo "quickstart.sh: installing $packages"
  # shellcheck disable=SC2086
  $root env DEBIAN_FRONTEND=noninteractive sh -c '
    apt-get -q update && apt-get -q -y install --no-install-recommends "$@"' sh $packages ||
    give_up "apt could not install these"
}

look
if [ -n "$missing" ]; then
  install_missing
  look
  [ -z "$missing" ] || give_up "still not found after installing"
fi

# In a root without /sys, as of debootstrap, PoCL finds no memory and aborts: tell it what there is.
if [ ! -d /sys/devices/system/cpu ] && [ -z "${HWLOC_SYNTHETIC:-}" ]; then
  kib=$(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo 2> /dev/null) || true
  HWLOC_SYNTHETIC="node:1(memory=$((${kib:-2097152} * 1024))) core:$(nproc) pu:1"
  export HWLOC_SYNTHETIC
fi

[ -f build/build.ninja ] || meson setup build
if [ "$mode" = test ]; then
  meson configure build -Dtests=enabled
  ninja -C build
  status=0
  meson test -C build --print-errorlogs || status=$?
  python3 tests/scripts/count.py build/meson-logs/testlog.json || status=1
  exit "$status"
fi
ninja -C build
status=0
build/apps/gan_train/gan_train --compare --data fashion-mnist --report report.html || status=$?
[ ! -f report.html ] || echo "quickstart.sh: the same as a page, with what memory each step took: $PWD/report.html"
exit "$status"
