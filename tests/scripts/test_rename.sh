#!/bin/sh
# test_rename.sh SOURCE_DIR LIBRARY: docs/rename-0.2.sed is true. Its new names are in include/ and its old ones nowhere there; a program
# of 0.1 that it rewrites builds without a warning and prints what it printed.
set -eu
source=$1 library=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
status=0
complain() {
  echo "$*"
  status=1
}

# Names as the compiler sees them: comments may speak of what was.
cat "$source"/include/clgrad/*.h > "$folder/headers.h"
grep -oE '\b(clg|CLG)_\w+' "$folder/headers.h" | sort -u > "$folder/names"
sed -nE 's/^s\/\\b(\w+)\\b\/(clg_\w+)(\(\))?\/g$/\1 \2/p' "$source/docs/rename-0.2.sed" > "$folder/renames"
[ "$(wc -l < "$folder/renames")" -ge 20 ] || complain "the script has no list of names"
while read -r old new; do
  grep -qx "$new" "$folder/names" || complain "$new is not in include/"
  if grep -qx "$old" "$folder/names"; then complain "$old is still in include/"; fi
  grep -q "\`$old\`" "$source/CHANGELOG.md" || complain "CHANGELOG.md does not name $old"
done < "$folder/renames"

cp "$source/tests/rename/program.c" "$folder/program.c"
sed -E -i -f "$source/docs/rename-0.2.sed" "$folder/program.c"
if cc -std=c11 -Wall -Wextra -Wpedantic -Werror "-I$source/include" "$folder/program.c" "$library" "-Wl,-rpath,$(dirname "$library")" -lm \
  -o "$folder/program" && (cd "$folder" && ./program > said 2>&1); then
  diff -u "$source/tests/rename/expected" "$folder/said" || complain "the program prints something else"
else
  cat "$folder/program.c" "$folder/said"
  complain "the rewritten program does not run"
fi
exit $status
