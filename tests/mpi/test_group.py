#!/usr/bin/env python3
"""Runs tests/mpi/replica.c on 1, 2, 4 and 8 ranks: weights, losses and running statistics have the bits of one process without MPI,
however gradients go out; bytes are those of the formula; ranks that stop, give up or compile are told apart.

usage: test_group.py REPLICA
"""
import os
import re
import subprocess
import sys

import ranks

STEPS = 3
failures = []


def check(holds, what):
    print("ok  " if holds else "FAIL", what, flush=True)
    if not holds:
        failures.append(what)


def bits(out):
    found = re.search(r"^bits .*$", out, re.M)
    return found[0] if found else None


def tidy(out, err):
    return (out + err).strip().replace("\n", " | ")[:600]


def same_bits(mpirun, replica, alone):
    for n in (1, 2, 4, 8):
        for how in ("bucket=0", "bucket=4", "bucket=1000", "bucket=262144"):
            status, out, err = ranks.run(mpirun, n, [replica, f"ranks={n}", how])
            check(status == 0 and bits(out) == alone and "DIFFERS" not in out and "WRONG" not in out,
                  f"{n} ranks, {how}: the bits of one process" + ("" if bits(out) == alone else f": {tidy(out, err)}"))
            gradient = int(re.search(r"^gradient (\d+)", out, re.M)[1])
            sent = sum(int(m) for m in re.findall(r" sent (\d+)", out))
            check(sent == 2 * (n - 1) * gradient * STEPS, f"{n} ranks, {how}: {sent} bytes sent for gradients of {gradient}")


def memory(out):
    return re.search(r"^memory .*$", out, re.M)[0]


def planned(mpirun, replica):
    for n in (1, 2, 8):
        there, plan = (ranks.run(mpirun, n, [replica, f"ranks={n}", how])[1] for how in ("plan=0", "plan=1"))
        check(memory(there) == memory(plan), f"{n} ranks: {memory(there)}, in a plan {memory(plan)}")


def one_line(mpirun, replica, n, arguments, line):
    status, out, err = ranks.run(mpirun, n, [replica, f"ranks={n}", *arguments])
    found = [text for text in out.splitlines() if line in text]
    check(status != 0 and found, f"{n} ranks, {' '.join(arguments)}: \"{line}\"" + ("" if found else f" is not in: {tidy(out, err)}"))


def main(replica):
    library = subprocess.run([replica, "version"], capture_output=True, text=True, check=True).stdout.strip()
    mpirun = ranks.find(library)
    print(library.splitlines()[0])
    alone = subprocess.run([replica], env=dict(os.environ, **ranks.ENVIRONMENT), capture_output=True, text=True, check=False)
    check(alone.returncode == 0 and bits(alone.stdout), "one process without MPI")
    other = subprocess.run([replica, "shards=16"], env=dict(os.environ, **ranks.ENVIRONMENT), capture_output=True, text=True, check=False)
    check(bits(other.stdout) != bits(alone.stdout), "the number of shards shows in the bits")
    same_bits(mpirun, replica, bits(alone.stdout))
    planned(mpirun, replica)
    status, out, err = ranks.run(mpirun, 1, [replica, "nulls"])
    check(status == 0 and "nulls ok" in out, "NULL for each pointer" + ("" if status == 0 else f": {tidy(out, err)}"))
    status, out, err = ranks.run(mpirun, 2, [replica, "errors"])
    check(status == 0 and out.count("errors ok") == 2, "errors of MPI before there is a group" + ("" if status == 0 else f": {tidy(out, err)}"))
    one_line(mpirun, replica, 3, ["shards=12"], "power of two")
    one_line(mpirun, replica, 4, ["gives_up=2"], "rank 2: its cat is on the keyboard")
    one_line(mpirun, replica, 4, ["gives_up=0"], "rank 0: its cat is on the keyboard")
    for who in (1, 0):
        one_line(mpirun, replica, 4, [f"stops={who}", "timeout=5"], f"rank {who} has been silent for 5 seconds")
    status, out, err = ranks.run(mpirun, 4, [replica, "ranks=4", "compiles=3", "timeout=5"])
    check(status == 0 and bits(out) == bits(alone.stdout), f"a rank that compiles for long is not silent{'' if status == 0 else ': ' + tidy(out, err)}")
    print(f"{len(failures)} failed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(os.path.abspath(sys.argv[1]))
