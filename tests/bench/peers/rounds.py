#!/usr/bin/env python3
"""A peer of bench_ops, bench_product and bench_conv (--peer): the same work in PyTorch or JAX, timed when told to.

usage: rounds.py torch THREADS | rounds.py jax      (JAX takes the CPUs that it may run on)

Its first line is KEY, a tab and who it is. It is then asked, a line each on standard input:
  work product TA TB M N K            op(A) [M,K] op(B) [K,N], 't' or 'n' each
  work conv PART TRANSPOSED BATCH C O IN OUT STRIDE PADDING
                                      a kernel of 4; x [C,IN,IN] -> y [O,OUT,OUT]; PART is x, w or y, what is computed;
                                      TRANSPOSED: y is the transposed convolution's input
  work op NAME|ATTRS|PASS|OPERAND;...|WANTED
                                      of bench_ops (op_job.c); PASS is forward or backward, bit i of WANTED operand i
                                      answered by "ok", or "no" where it does not know it
  round SECONDS                       answered by the seconds a call took, of as many as fill SECONDS
Where $BENCH_CLOCK is "cpu", seconds are those that its threads ran.
"""
import importlib
import os
import sys
import time

CLOCK = time.process_time if os.environ.get("BENCH_CLOCK") == "cpu" else time.perf_counter


class Timed:
    """run() queues one call, wait(result) until it is done."""

    def __init__(self, run, wait):
        self.run, self.wait = run, wait
        for _ in range(2):
            once = self.seconds(1)
        self.once = once

    def seconds(self, calls):
        start = CLOCK()
        for _ in range(calls):
            result = self.run()
        self.wait(result)
        return (CLOCK() - start) / calls

    def round(self, seconds):
        self.once = self.seconds(max(2, min(10000, int(seconds / max(self.once, 1e-7)))))
        return self.once


def prepare(library, line):
    kind, rest = line.split(" ", 1)
    if kind == "product":
        ta, tb, *sizes = rest.split()
        return library.product(ta == "t", tb == "t", *map(int, sizes))
    if kind == "conv":
        part, *numbers = rest.split()
        return library.conv(part, *map(int, numbers))
    if kind == "op":
        name, attrs, which, operands, wanted = rest.split("|")
        return library.op(name, attrs, which == "backward", operands.split(";") if operands else [], int(wanted))
    return None


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in ("torch", "jax"):
        sys.exit("usage: rounds.py torch THREADS | rounds.py jax")
    library = importlib.import_module("in_" + sys.argv[1])
    print(library.start(*map(int, sys.argv[2:])), flush=True)
    timed = None
    for line in sys.stdin:
        what, detail = line.rstrip("\n").split(" ", 1)
        if what == "work":
            timed = None  # the memory of the work before
            try:
                run = prepare(library, detail)
                timed = Timed(run, library.wait) if run else None
            except (RuntimeError, TypeError, ValueError, KeyError) as error:  # a case that the library refuses
                print(f"{library.__name__}: {detail}: {error}", file=sys.stderr)
            print("ok" if timed else "no", flush=True)
        else:
            print(f"{timed.round(float(detail)):.9g}", flush=True)


if __name__ == "__main__":
    main()
