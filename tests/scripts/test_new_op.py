#!/usr/bin/env python3
"""The README's steps for a new elementwise op, in a copy of the tree: hardswish beside each line that mish has, first with /5 for /6,
which the rows of the op table must find, then right; and rows that have it behind linear layers, convolutions and norms by its name.

usage: test_new_op.py SOURCE_ROOT
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

PLACES = ["lib/ops", "include/clgrad/ops.h", "tests/op_table"]
FORMULA = '"x < -3 ? 0 : (x > 3 ? x : x*(x + 3)/6)"'
DEFINITION = "x *fmin(fmax(x + 3, 0), 6) / 6"
ROW = "    {&op_hardswish, NULL, {FEW}, -5, 5, POINTS({{-3}, 0, {-0.5f}}, {{3}, 3, {1.5f}})},\n"


# Whose rows are copied with the new activation: op, and what stands in them of another.
BEHIND = {"linear_act": '"tanh"', "conv2d": '{"tanh", {0}}', "layer_norm_act": '"sigmoid"', "batch_norm": '{"tanh", {0}}'}


def renamed(text):
    return text.replace("mish", "hardswish").replace("MISH", "HARDSWISH")


def beside(line):
    """The new op's line: mish's with its name, formula, definition."""
    if line.lstrip().startswith("EACH("):
        return re.sub(r"(clg_mish\(x\)), .*, (?=\.reads)", rf"\1, {DEFINITION}, ", line).replace("mish", "hardswish")
    if "&op_mish" in line:
        return ROW
    if line.startswith("static double mish_of("):
        return renamed(re.sub(r"(return \(void\)n,) .*;", rf"\1 {DEFINITION};", line))
    if line.startswith("ROW("):
        return f'ROW(HARDSWISH, "hardswish", {FORMULA}, {{"x"}}, {{0}}, {{0}})\n'
    return renamed(re.sub(r"/\*.*\*/", "/* x*min(max(x + 3, 0), 6)/6 */", line))


def add(copy):
    """Returns the file that has the formula."""
    table, changed = None, 0
    for place in PLACES:
        root = copy / place
        for path in sorted(root.rglob("*.[ch]")) if root.is_dir() else [root]:
            # A row is one line, however many it takes; what formulas are written by is none.
            lines = re.findall(r"ROW\([^)\n].*?\)\n(?=\n|ROW|/\*|#|\Z)|[^\n]*\n", path.read_text(encoding="utf-8"), re.S)
            out = []
            for line in lines:
                out += [line, beside(line)] if re.search("mish", line, re.I) and not line.startswith("#") else [line]
            if len(out) > len(lines):
                path.write_text("".join(out), encoding="utf-8")
                changed += len(out) - len(lines)
            if FORMULA in "".join(out):
                table = path
    if not table or changed < 5:
        sys.exit(f"test_new_op.py: {changed} lines of mish were found: the README's steps are others now")
    return table


def put_behind(copy):
    """A row of each op that takes an activation once more, with the new one. Kinks lie outside of its values."""
    for op, act in BEHIND.items():
        for path in sorted((copy / "tests" / "op_table").glob("*.c")):
            text = path.read_text(encoding="utf-8")
            row = re.search(rf"^    \{{&op_{op},(?:(?!^    \{{&).)*?{re.escape(act)}.*?\n(?=    \{{&|\}};)", text, re.M | re.S)
            if row:
                new = re.sub(r'"(tanh|sigmoid)"', '"hardswish"', row[0])
                path.write_text(text[:row.end()] + new + text[row.end():], encoding="utf-8")
                break
        else:
            sys.exit(f"test_new_op.py: {op} has no row with {act}")


def rows(copy, op):
    subprocess.run(["ninja", "-C", copy / "build", "tests/test_ops"], check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run([copy / "build/tests/test_ops"], env={**os.environ, "CLGRAD_TEST_CASE": "=" + op, "CK_FORK": "no"},
                          capture_output=True, text=True, check=False)
    if not re.search(r"Checks: [1-9]", done.stdout):
        sys.exit(f"test_new_op.py: {op} has no rows: {done.stdout}{done.stderr}")
    return done.returncode, done.stdout


def main(root):
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "clgrad"
        shutil.copytree(root, copy, ignore=shutil.ignore_patterns("build*", ".git", "shared"))
        table = add(copy)
        right = table.read_text(encoding="utf-8")
        table.write_text(right.replace(FORMULA, FORMULA.replace("/6", "/5")), encoding="utf-8")
        subprocess.run(["meson", "setup", copy / "build", copy, "-Dtests=enabled", "-Dapps=disabled"], check=True, stdout=subprocess.DEVNULL)
        status, said = rows(copy, "hardswish")
        if not status or "by definition" not in said:
            sys.exit(f"test_new_op.py: a wrong constant was not caught: {said}")
        print("with /5:", next(line for line in said.splitlines() if "by definition" in line))
        table.write_text(right, encoding="utf-8")
        put_behind(copy)
        for op in ("hardswish", "activate", *BEHIND):
            status, said = rows(copy, op)
            if status:
                sys.exit(f"test_new_op.py: the right formula fails in rows of {op}: {said}")
            print(f"with /6, {op}:", said.splitlines()[-1])


main(pathlib.Path(sys.argv[1]).resolve())
