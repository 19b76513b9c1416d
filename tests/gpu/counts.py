"""What Oclgrind says of the instructions of each launch of a kernel (--inst-counts), as bytes and flops."""
import collections
import re

LAUNCH = re.compile(r"^Instructions executed for kernel '(\w+)':$")
LINE = re.compile(r"^ +(\d+) - (.+?)(?: \((\d+) bytes\))?$")
FMA = re.compile(r"^call (?:_Z3fma(?:Dv(\d+)_)?f|llvm\.(?:fma|fmuladd)\.(?:v(\d+))?f32)")
ONE = {"fadd", "fsub", "fmul", "fdiv", "frem", "call _Z4sqrtf()"}

# Of global memory read and written, of local memory both.
Work = collections.namedtuple("Work", "launches read written local flops")
NONE = Work(0, 0, 0, 0, 0)


def add(a, b):
    return Work(*map(sum, zip(a, b)))


def flops_of(what, times):
    """An fma is two a lane. Oclgrind does not tell the lanes of other arithmetic: one each."""
    found = FMA.match(what)
    return times * (2 * int(found[1] or found[2] or 1) if found else what in ONE)


def launches(text):
    """(kernel, Work) of each launch, in their order. Lines of anything else are passed over."""
    found = []
    for line in text.splitlines():
        start, counted = LAUNCH.match(line), LINE.match(line)
        if start:
            found.append((start[1], Work(1, 0, 0, 0, 0)))
        elif counted and found:
            times, what, size = int(counted[1]), counted[2], int(counted[3] or 0)
            local = size if what in ("load local", "store local") else 0
            more = Work(0, size if what == "load global" else 0, size if what == "store global" else 0, local, flops_of(what, times))
            found[-1] = (found[-1][0], add(found[-1][1], more))
    return found


def by_kernel(found):
    """{kernel: Work}, what moves most bytes first."""
    sums = {}
    for kernel, work in found:
        sums[kernel] = add(sums.get(kernel, NONE), work)
    return dict(sorted(sums.items(), key=lambda row: (-row[1].read - row[1].written, row[0])))
