#!/usr/bin/env python3
"""Fails on a call from a room of lib/ into one above it, and on a circle of files within a room: by the symbols of the objects.

usage: test_rooms.py SOURCE_ROOT LIBRARY

LIBRARY is the archive of the library's objects. With --list behind it, prints all circles and fails on none.
"""
import pathlib
import re
import subprocess
import sys

from test_layers import MPI, RANK

# Circles that are accepted, and parts of them.
ACCEPTED = [
    # The gradient of a tensor that was expanded is a sum, and that of a sum is expanded: each op is made of the other.
    {"ops/apply.c", "ops/shape/views.c"},
]
MEMBER = re.compile(r"^.*\[(?:.*/)?(.+)\]:$")


def symbols(archive):
    """By member of the archive: the names that it defines, and those that it wants."""
    defined, wanted, member = {}, {}, None
    out = subprocess.run(["nm", "-P", "-g", archive], check=True, capture_output=True, text=True).stdout
    for line in out.splitlines():
        if match := MEMBER.match(line):
            member = match[1]
            defined[member], wanted[member] = set(), set()
        elif line.strip():
            name, kind = line.split()[:2]
            (wanted if kind in "Uwv" else defined)[member].add(name)
    return defined, wanted


def references(root, archive):
    """By file of lib/ ("room/file.c"): for each file that it uses, the symbols."""
    lib = root / "lib"
    sources = [str(p.relative_to(lib)) for p in sorted(lib.rglob("*.c")) if p.parent.name != MPI]
    defined, wanted = symbols(archive)
    member_of = {s: s.replace("/", "_") + ".o" for s in sources}
    missing = [s for s in sources if member_of[s] not in defined]
    if missing:
        sys.exit(f"{archive} has no object of {', '.join(missing)}")
    home = {name: s for s in sources for name in defined[member_of[s]]}
    uses = {s: {} for s in sources}
    for s in sources:
        for name in wanted[member_of[s]]:
            if home.get(name, s) != s:
                uses[s].setdefault(home[name], set()).add(name)
    return uses


def circles(uses):
    """The strongly connected components of more than one file (Tarjan)."""
    number, low, stack, found = {}, {}, [], []

    def visit(v):
        number[v] = low[v] = len(number)
        stack.append(v)
        for w in uses[v]:
            if w not in number:
                visit(w)
                low[v] = min(low[v], low[w])
            elif w in stack:
                low[v] = min(low[v], number[w])
        if low[v] == number[v]:
            at = stack.index(v)
            if len(stack) - at > 1:
                found.append(set(stack[at:]))
            del stack[at:]

    sys.setrecursionlimit(10000)
    for v in uses:
        if v not in number:
            visit(v)
    return found


def room(path):
    return path.split("/")[0]


def main(root, archive, only_list):
    uses = references(pathlib.Path(root).resolve(), archive)
    problems = []
    for s in uses:
        for other, names in sorted(uses[s].items()):
            if RANK[room(other)] > RANK[room(s)]:
                problems.append(f"{s}: calls upward, into {other}: {', '.join(sorted(names))}")
    for name in RANK:
        within = {s: {o: n for o, n in to.items() if room(o) == name} for s, to in uses.items() if room(s) == name}
        for circle in circles(within):
            if not only_list and (any(circle <= accepted for accepted in ACCEPTED)):
                continue
            problems.append(f"{name}: a circle of {len(circle)} files: {', '.join(sorted(circle))}")
            for s in sorted(circle):
                for other in sorted(circle & within[s].keys()):
                    problems.append(f"  {s} -> {other}: {', '.join(sorted(within[s][other]))}")
    if problems:
        print("\n".join(problems))
    sys.exit(1 if problems and not only_list else 0)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4) or sys.argv[3:] not in ([], ["--list"]):
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], len(sys.argv) == 4)
