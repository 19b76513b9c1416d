#!/usr/bin/env python3
"""embed.py refuses what a driver's compiler would take as something else: a condition on a name that nobody defines, which is 0 to it.

usage: test_embed.py EMBED
"""
import os
import subprocess
import sys
import tempfile

CASES = [  # the source, and what is said of it
    ('#include "kernel/constants.h"\n#if LANES == 16\n#endif\n#if WG > 1 && !defined(ANY)\n#endif\n', None),
    ("#if LANES == 16 /* and no include */\n#endif\n", "nobody defines LANES"),
    ("#if CLG_CPU\n#elif WIDTH > 4\n#define WIDTH 4\n#endif\n", "nobody defines WIDTH"),
    ('#include "kernel/constant.h"\n', "there is no kernel/constant.h"),
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
sys.exit(failed)
