#!/bin/sh
# format.sh CLANG_FORMAT: formats every C file of the tree in place.
cd "$(dirname "$0")/../.." || exit 1
find apps include lib tests -name '*.[ch]' ! -name clwitness.c -exec "$1" -i {} +
