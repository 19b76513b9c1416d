#!/bin/sh
# format.sh CLANG_FORMAT: formats every C file and kernel of the tree in place.
cd "$(dirname "$0")/../.." || exit 1
find apps include kernels_cl lib tests \( -name '*.[ch]' -o -name '*.cl' \) ! -name clwitness.c -exec "$1" -i {} +
