#!/bin/sh
# test_install.sh BUILD_DIR SOURCE_DIR: installs into a prefix of its own and builds the README's example outside the tree, by
# pkg-config, as C and as C++; runs it; compiles each public header alone in both languages.
set -eu
build=$1 source=$2
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
meson install -C "$build" --no-rebuild --quiet --destdir "$prefix" > "$prefix/log" 2>&1 || { cat "$prefix/log"; exit 1; }

pc=$(find "$prefix" -name clgrad.pc)
[ -n "$pc" ] || { echo "no clgrad.pc was installed"; exit 1; }
export PKG_CONFIG_PATH="${pc%/*}" PKG_CONFIG_SYSROOT_DIR="$prefix"
cflags=$(pkg-config --cflags clgrad)
libs=$(pkg-config --libs clgrad)
lib=$(find "$prefix" -name 'libclgrad.so.0.2')
unset LD_LIBRARY_PATH # what is installed must find the library as the README says
rpath="-Wl,-rpath,${lib%/*}"

# shellcheck disable=SC2016
sed -n '/^```c$/,/^```$/p' "$source/README.md" | sed '1d;/^```$/,$d' > "$prefix/example.c"
cmp "$prefix/example.c" "$source/apps/example.c" || { echo "the README's example is not apps/example.c"; exit 1; }
cp "$prefix/example.c" "$prefix/example.cpp"
strict="-Wall -Wextra -Wpedantic -Werror"
# shellcheck disable=SC2086
cc -std=c11 $strict $cflags "$prefix/example.c" $libs "$rpath" -lm -o "$prefix/example_c"
"$prefix/example_c"
# shellcheck disable=SC2086
c++ -std=c++20 $strict $cflags "$prefix/example.cpp" $libs "$rpath" -lm -o "$prefix/example_cpp"
"$prefix/example_cpp"

# The headers of MPI are no clean C, and lie outside the prefix.
mpi_flags=$(PKG_CONFIG_SYSROOT_DIR='' pkg-config --cflags clgrad-mpi 2> /dev/null | sed "s,-I,-isystem ,g") || mpi_flags=""
[ -z "$mpi_flags" ] || [ -n "$(find "$prefix" -name 'libclgrad-mpi.so.0.2')" ] || { echo "no libclgrad-mpi was installed"; exit 1; }
find "$prefix" -path '*/include/clgrad/*.h' | while read -r header; do
  echo "#include <clgrad/${header##*/}>" > "$prefix/one.c"
  cp "$prefix/one.c" "$prefix/one.cpp"
  [ "${header##*/}" = mpi.h ] && more=$mpi_flags || more=""
  # shellcheck disable=SC2086
  cc -std=c11 $strict $cflags $more -fsyntax-only "$prefix/one.c"
  # shellcheck disable=SC2086
  c++ -std=c++11 $strict $cflags $more -fsyntax-only "$prefix/one.cpp"
done
for program in gan_train clgrad_info clgrad_tune; do
  binary=$(find "$prefix" -path "*/bin/$program")
  [ -z "$binary" ] || "$binary" --version # by its install_rpath
done
