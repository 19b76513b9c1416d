#!/bin/sh
# test_symbols.sh LIBRARY: the shared library exports clg_ functions and nothing else.
symbols=$(nm -D --defined-only "$1" | awk '{print $3}') || exit 1
[ -n "$symbols" ] || { echo "no exported symbol at all"; exit 1; }
other=$(echo "$symbols" | grep -v '^clg_')
[ -z "$other" ] || { echo "exported, but not clg_:"; echo "$other"; exit 1; }
