#!/usr/bin/env python3
"""embed.py refuses what a driver's compiler would take as something else: a condition on a name that nobody defines, which is 0 to it.
An included file stands once, but in each branch that includes it; the names of a kernel's parameters follow them.

usage: test_embed.py EMBED
"""
import os
import re
import subprocess
import sys
import tempfile

CASES = [  # the source, and what is said of it
    ('#include "kernel/constants.h"\n#if LANES == 16\n#endif\n#if WG > 1 && !defined(ANY)\n#endif\n', None),
    ("#if LANES == 16 /* and no include */\n#endif\n", "nobody defines LANES"),
    ("#if CLG_CPU\n#elif WIDTH > 4\n#define WIDTH 4\n#endif\n", "nobody defines WIDTH"),
    ('#include "kernel/constant.h"\n', "there is no kernel/constant.h"),
    ("CLG_KERNEL void f(const int (a)) {\n}\n", "does not end"),
    ("CLG_KERNEL void f(const int a /* one, two */) {\n}\n", "has more than those"),
    ("#define A_ARGS(a) const int a\n", "has more than those"),
]

failed = False
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "case.cl")
    for source, said in CASES:
        with open(path, "w", encoding="ascii") as file:
            file.write(source)
        done = subprocess.run([sys.argv[1], os.path.join(folder, "out.c"), path], capture_output=True, text=True, check=False)
        right = done.returncode == 0 if said is None else done.returncode == 1 and said in done.stderr
        if not right:
            print(f"{source}: {done.returncode} {done.stderr}", file=sys.stderr)
        failed = failed or not right
    for name, source in {
        "once.clh": "int once;\n",
        "twice.cl": '#if WG\n#include "once.clh"\n#else\n#include "once.clh"\n#endif\n',
        "once.cl": '#include "once.clh"\n#if WG\n#include "once.clh"\n#endif\n',
        "kernel.cl": "#define MORE_ARGS \\\n  , const uint n, __global uint *to\n"
                     "#define ANY\nCLG_KERNEL void f(__global const float *x,\n                     const uint x_o MORE_ARGS) {\n"
                     "  *to = n;\n}\n",
    }.items():
        with open(os.path.join(folder, name), "w", encoding="ascii") as file:
            file.write(source)
    for name, text, times in (
        ("twice.cl", "int once;", 2),
        ("once.cl", "int once;", 1),
        ("kernel.cl", "#define MORE_NAMES , n, to\n", 1),
        ("kernel.cl", "CLG_KERNEL(f, (__global const float *x,\n                     const uint x_o MORE_ARGS),\n(x, x_o MORE_NAMES)) {", 1),
        ("kernel.cl", '#line 6 "kernel.cl"\n  *to = n;\n', 1),
    ):
        out = os.path.join(folder, "out.c")
        subprocess.run([sys.argv[1], out, os.path.join(folder, name)], check=True)
        with open(out, encoding="ascii") as file:
            found = re.sub(r"\s", "", file.read()).count("".join(f"{byte}," for byte in text.encode()))
        if found != times:
            print(f"{name}: {found} times {text}", file=sys.stderr)
        failed = failed or found != times
sys.exit(failed)
