#!/usr/bin/env python3
"""A wrong constant in a formula is caught: each literal of the table of formulas is changed by 1 % in a copy (0 to 0.01), the table
alone compiled and linked, and the op table's rows of that op run: some row must fail. A bound beyond which both branches of a formula
give the same floats may move: then no value, no first and no second gradient changes at any float within 2 % of it (0 and -0 are
one), which is shown instead.

usage: test_formulas.py SOURCE_ROOT BUILD_ROOT [PART_OF_A_ROWS_NAME]
"""
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time

ROOT, BUILD = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
ONLY = sys.argv[3] if len(sys.argv) > 3 else ""
# Which rows of the op table run a formula, where that is not the op of its name; and a suite of its own.
ROWS = {"bce_with_logits_loss": "bce_with_logits_loss", "counted": "cross_entropy_loss"}
NUMBER = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?![\w.])")
TEXT = re.compile(r'"((?:[^"\\\n]|\\.)*)"')


def table():
    path = ROOT / "lib" / "ops" / "rows.h"
    return path if path.is_file() else sys.exit(f"test_formulas.py: no table of formulas: {path}")


def literals(source):
    """(where, literal, the row's name, whether it is a bound, its sign) of each number in a formula."""
    macros = {m[1]: m for m in re.finditer(r'^#define (\w+) "', source, re.M)}
    found = []
    for text in TEXT.finditer(source):
        line = source.rfind("\n", 0, text.start()) + 1
        if source.startswith(("#include", "/*", " *"), line):
            continue
        macro = next((name for name, m in macros.items() if m.start() == line), None)
        at = re.search(rf"\b{macro}\b", source[text.end():]).start() + text.end() if macro else text.start()
        row = re.findall(r'\bROW\(\w+,\s*"(\w+)"', source[:at])
        for number in NUMBER.finditer(text[1]):
            before = text[1][:number.start()]
            bound = re.search(r"[<>]=?\s*-?$", before) is not None
            found.append((text.start(1) + number.start(), number[1], row[-1] if row else "?", bound,
                          "-" if before.endswith("-") else ""))
    return found


def commands(target):
    out = subprocess.run(["ninja", "-C", BUILD, "-t", "commands", target], capture_output=True, text=True, check=True).stdout
    return [shlex.split(line) for line in out.splitlines()]


def compile_of(path):
    for words in commands("tests/test_ops"):
        if "-c" in words and (BUILD / words[words.index("-c") + 1]).resolve() == path:
            return words
    sys.exit(f"test_formulas.py: nothing compiles {path}")


class Mutants:
    def __init__(self, folder, path):
        self.folder, self.path, self.compiles = pathlib.Path(folder), path, compile_of(path.with_name("table.c"))
        self.links = {name: commands("tests/" + name)[-1] for name in ("test_ops", "op_bits")}
        self.env = {**os.environ, "CK_FORK": "no", "CLGRAD_CACHE": "off", "POCL_CACHE_DIR": str(self.folder / "pocl")}

    def build(self, text):
        """The table is compiled before the archive that holds the right one, which is then left out."""
        source, made = self.folder / "ops" / self.path.name, self.folder / "table.o"
        source.parent.mkdir(exist_ok=True)
        source.write_text(text, encoding="utf-8")
        words = list(self.compiles)
        words[words.index("-o") + 1] = str(made)
        words.insert(1, f"-I{self.folder}")
        for flag in ("-MQ", "-MF"):
            if flag in words:
                words[words.index(flag) + 1] = str(self.folder / "table.d")
        subprocess.run(words, cwd=BUILD, check=True)
        for name, link in self.links.items():
            words = list(link)
            words[words.index("-o") + 1] = str(self.folder / name)
            words.insert(words.index("-o") + 2, str(made))
            subprocess.run(words, cwd=BUILD, check=True)

    def rows(self, wanted):
        """None: every row holds; otherwise the first that fails."""
        done = subprocess.run([self.folder / "test_ops"], env={**self.env, "CLGRAD_TEST_CASE": wanted}, capture_output=True, text=True,
                              check=False)
        if not re.search(r"Checks: [1-9]", done.stdout):
            sys.exit(f"test_formulas.py: no row for {wanted}: {done.stdout}{done.stderr}")
        fails = [line for line in done.stdout.splitlines() if ":F:" in line or ":E:" in line]
        return re.sub(r"^.*?:\d+: ", "", fails[0]) if fails else None

    def bits(self, op, bound):
        done = subprocess.run([self.folder / "op_bits", op, repr(bound * 0.98), repr(bound * 1.02)], env=self.env, capture_output=True,
                              text=True, check=False)
        return done.stdout.strip()


def changed(literal):
    return "0.01" if float(literal) == 0 else repr(float(literal) * 1.01)


def main():
    path = table()
    source = path.read_text(encoding="utf-8")
    caught = same = 0
    start = time.time()
    survivors = []
    with tempfile.TemporaryDirectory() as folder:
        mutants = Mutants(folder, path)
        for at, literal, row, bound, sign in literals(source):
            if ONLY not in row:
                continue
            where = f"{row}, line {source.count(chr(10), 0, at) + 1}: {sign}{literal} to {sign}{changed(literal)}"
            mutants.build(source[:at] + changed(literal) + source[at + len(literal):])
            found = mutants.rows(ROWS.get(row, "=" + row))
            if found:
                caught += 1
                print(f"{where}: caught: {found[:120]}", flush=True)
                continue
            edge = float(sign + literal)
            bits = mutants.bits(row, edge) if bound and edge else ""
            mutants.build(source)
            if bits and mutants.bits(row, edge) == bits:
                same += 1
                print(f"{where}: changes no float: {bits}", flush=True)
            else:
                survivors.append(where)
                print(f"{where}: NOT CAUGHT", flush=True)
    print(f"{caught} changes caught, {same} that change no float, {len(survivors)} not caught, in {time.time() - start:.0f} s")
    sys.exit(1 if survivors or not caught else 0)


main()
