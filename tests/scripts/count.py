#!/usr/bin/env python3
"""Adds up what Meson's test logs say: "N passed, N failed, N skipped" on the last line.

A Check suite and the golden runner count their own cases; any other test counts as one. Exits 1 if something failed or nothing
passed.

usage: count.py testlog.json...
"""
import json
import re
import sys

CHECK = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)", re.M)
GOLDEN = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.M)


def count(test):
    """(passed, failed, skipped) of one test."""
    text = test.get("stdout", "")
    good = test["result"] in ("OK", "EXPECTEDFAIL")
    golden = GOLDEN.findall(text)
    if golden:
        numbers = [int(n) for n in golden[-1]]
    elif CHECK.search(text):
        sums = [sum(int(row[i]) for row in CHECK.findall(text)) for i in range(3)]
        numbers = [sums[0] - sums[1] - sums[2], sums[1] + sums[2], 0]
    elif test["result"] == "SKIP":
        return [0, 0, 1]
    else:
        numbers = [1, 0, 0] if good else [0, 1, 0]
    # A suite that crashed after its cases, or before them, has failed whatever it printed.
    if not good and numbers[1] == 0:
        numbers[1] = 1
    return numbers


def main(paths):
    total = [0, 0, 0]
    for path in paths:
        with open(path, encoding="utf-8") as log:
            for line in log:
                total = [a + b for a, b in zip(total, count(json.loads(line)))]
    print("{} passed, {} failed, {} skipped".format(*total))
    sys.exit(1 if total[1] or not total[0] else 0)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
