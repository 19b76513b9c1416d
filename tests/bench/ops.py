#!/usr/bin/env python3
"""Every op of the op table beside PyTorch: the ratio of its time to ours, worst first, and the geometric mean.

usage: ops.py [--isa avx2] [--only OP]... [--size NAME]... [--layout NAME]... [--rounds N] [--cpu] [--python FILE] [--build DIR] [--out FILE]
       ops.py --show FILE... [--below RATIO]
       ops.py --markdown NATIVE AVX2 --into FILE

Cases are those of cases.h: operands in a cache (1 MB), in memory (64 MB) and of many short rows, dense and as parts of tensors
(channels, heads, time steps), forward and backward. Rounds alternate between ours, PyTorch at one thread and PyTorch at all, the
faster of which counts; medians. Forwards of views are not compared. --cpu, for a machine that others use too: seconds that all threads ran, beside PyTorch's one. Figures are kept in --out (default BUILD/ops-ISA.json), and a run of some of the ops replaces these
alone. --markdown puts tables in the place of FILE's behind <!-- ratios --> and <!-- ops -->, with columns for each file.
"""
import json
import math
import os
import re
import subprocess
import sys
import tempfile

import compare

KEY = ("op", "case", "pass", "layout", "size")


def key(row):
    return tuple(row[k] for k in KEY)


# Views, of which the forward computes nothing: neither library touches an element.
VIEWS = {"chunk", "expand", "narrow", "permute", "reshape", "slice", "split", "transpose", "unbind"}


def is_view(row):
    """Also a copy of what is whole already."""
    whole = row["op"] == "contiguous" and row["layout"] == "flat"
    return row["pass"] == "forward" and (row["op"] in VIEWS or whole)


def ratio(row):
    """PyTorch's time over ours; None: it has no such op, or there is nothing to compute."""
    if is_view(row):
        return None
    theirs = compare.library_times(row["peers_us"]).get("torch")
    return theirs / row["us"] if theirs else None


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


# ---- running ----

def measure(args):
    env = compare.environment(args.isa)
    peers = compare.peers(args, env, ("torch",), [1] if args.cpu else None)
    if args.cpu:
        env["BENCH_CLOCK"] = "cpu"
    if not peers:
        sys.exit("ops.py: no PyTorch: nothing to compare with")
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        command = [*compare.under(args), os.path.join(args.build, "tests/bench/bench_ops"), "--plain", "--json", file.name, *peers]
        for name in ("only", "size", "layout"):
            command += [word for value in getattr(args, name) or [] for word in ("--" + name, value)]
        command += ["--rounds", str(args.rounds)]
        if subprocess.run(command, env=env, check=False).returncode != 0:
            sys.exit(f"ops.py: failed: {' '.join(command)}")
        new = read(file.name)
    if os.path.exists(args.out):
        fresh = {key(row) for row in new["ops"]}
        new["ops"] = [row for row in read(args.out)["ops"] if key(row) not in fresh] + new["ops"]
    with open(args.out, "w", encoding="utf-8") as file:
        json.dump(new, file)


# ---- printing ----

def geometric_mean(ratios):
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else math.nan


def show(path, below):
    data = read(path)
    print("\n".join(compare.head({"ops": data})))
    rows = sorted((row for row in data["ops"] if ratio(row)), key=ratio)
    print(f"{'PyTorch/ours':>12}{'us':>11}  op")
    for row in rows:
        if below is None or ratio(row) < below:
            print(f"{ratio(row):12.2f}{row['us']:11.1f}  {row['op']}: {row['case']}, {row['pass']}, {row['layout']}, {row['size']}")
    for row in data["ops"]:
        if not ratio(row):
            print(f"{'-':>12}{row['us']:11.1f}  {row['op']}: {row['case']}, {row['pass']}")
    ratios = [ratio(row) for row in rows]
    few = sum(r < 0.8 for r in ratios)
    print(f"{geometric_mean(ratios):12.2f}  geometric mean of {len(ratios)}; {few} below 0.8, {sum(r < 1 for r in ratios)} below 1")


def markdown(paths, into):
    """Of each op and case the lowest and the mean ratio of what it has of passes, sizes and layouts."""
    sets = [read(path) for path in paths]
    lines = []
    for data in sets:
        ratios = [r for r in map(ratio, data["ops"]) if r]
        lines.append([f"all {len(ratios)}", f"{data['vector_floats']} floats", f"{min(ratios):.2f}", f"{geometric_mean(ratios):.2f}",
                      str(sum(r < 0.8 for r in ratios))])
    totals = compare.table(["ratios", "width", "lowest", "geometric mean", "below 0.8"], lines)
    groups = {}
    for i, data in enumerate(sets):
        for row in data["ops"]:
            if ratio(row):
                groups.setdefault((row["op"], row["case"]), [[] for _ in sets])[i].append((ratio(row), row))
    lines = []
    for (op, case), found in groups.items():
        cells = []
        for some in found:
            low = min(some, key=lambda pair: pair[0], default=None)
            cells += [f"{low[0]:.2f} {low[1]['pass']}, {low[1]['layout']}, {low[1]['size']}" if low else "-",
                      f"{geometric_mean([r for r, _ in some]):.2f}" if some else "-"]
        lines.append((min(r for some in found for r, _ in some), [f"{op}: {case}" if case else op, *cells]))
    columns = [f"{data['vector_floats']} floats: {c}" for data in sets for c in ("lowest", "mean")]
    text = compare.table(["op", *columns], [line for _, line in sorted(lines, key=lambda pair: pair[0])])
    with open(into, encoding="utf-8") as file:
        page = file.read()
    for name, block in (("ratios", totals), ("ops", text)):
        page = re.sub(rf"(<!-- {name} -->\n)(?:[^\n]+\n)*", lambda found, block=block: found[1] + block, page)
    with open(into, "w", encoding="utf-8") as file:
        file.write(page)


def main():
    parser = compare.usual_options(__doc__, "FILE")
    parser.add_argument("--only", action="append", help="ops or cases whose name contains it; =NAME: the op of that name")
    parser.add_argument("--size", action="append")
    parser.add_argument("--layout", action="append")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cpu", action="store_true", help="seconds that all threads ran")
    parser.add_argument("--show", nargs="+", metavar="FILE")
    parser.add_argument("--below", type=float, help="show these alone")
    args = parser.parse_args()
    if args.markdown:
        markdown(args.markdown, args.into)
        return
    args.build = os.path.abspath(args.build)
    args.out = args.out or os.path.join(args.build, f"ops-{args.isa}.json")
    if not args.show:
        measure(args)
    for path in args.show or [args.out]:
        show(path, args.below)


if __name__ == "__main__":
    main()
