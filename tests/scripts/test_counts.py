#!/usr/bin/env python3
"""What tests/gpu/counts.py makes of Oclgrind's counts, of a sample of them among other lines.

usage: test_counts.py FOLDER_OF_COUNTS
"""
import sys

sys.path.insert(0, sys.argv[1])
from counts import Work, by_kernel, launches  # noqa: E402

SAMPLE = """mlp on ring
Instructions executed for kernel 'tile':
             100 - call _Z3fmaDv4_fS_S_()
              60 - load local (960 bytes)
              50 - call _Z3fmafff()
              40 - load global (160 bytes)
              30 - store local (120 bytes)
              20 - load private (80 bytes)
              10 - store global (40 bytes)
               9 - fadd
               8 - fmul
               7 - fdiv
               6 - fsub
               5 - call _Z4sqrtf()
               4 - call llvm.fmuladd.f32()
               3 - call llvm.fma.v8f32()
               2 - call _Z3minff()
               1 - fcmp

Instructions executed for kernel 'fill':
             64 - store global (256 bytes)

Instructions executed for kernel 'tile':
             12 - load global (48 bytes)
             12 - add

losses     1 - 2
"""
TILE = Work(1, 160, 40, 1080, 100 * 8 + 50 * 2 + 9 + 8 + 7 + 6 + 5 + 4 * 2 + 3 * 16)


def expect(what, found, wanted):
    if found != wanted:
        sys.exit(f"{what}: {found}, want {wanted}")


expect("launches", launches(SAMPLE), [("tile", TILE), ("fill", Work(1, 0, 256, 0, 0)), ("tile", Work(1, 48, 0, 0, 0))])
sums = by_kernel(launches(SAMPLE))
expect("sums", sums["tile"], TILE._replace(launches=2, read=208))
expect("order", list(sums), ["fill", "tile"])
expect("nothing", launches("no kernel\n  3 - fadd\n"), [])
print("4 passed, 0 failed, 0 skipped")
