#!/usr/bin/env python3
"""Runs tests/mpi/replica.c on 1, 2, 4 and 8 ranks: weights, losses and running statistics have the bits of one process without MPI,
however gradients go out; bytes are those of the formula; ranks that stop, give up or compile are told apart.

usage: test_group.py REPLICA
"""
import concurrent.futures
import os
import re
import subprocess
import sys

import ranks

STEPS = 3
BUCKETS = 4 # sizes, of replica.c
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
    """One start for all buckets: it takes longer than the steps."""
    for n in (1, 2, 4, 8):
        status, out, err = ranks.run(mpirun, n, [replica, f"ranks={n}", "buckets=1"])
        parts = re.findall(r"^(bucket|plan) (\d+)\n(.*?)(?=^bucket|^plan|\Z)", out, re.M | re.S)
        check(status == 0 and len(parts) == 2 * BUCKETS, f"{n} ranks, {BUCKETS} buckets" + ("" if status == 0 else f": {tidy(out, err)}"))
        for _, bucket, text in parts[:BUCKETS]:
            check(bits(text) == alone and "DIFFERS" not in text and "WRONG" not in text,
                  f"{n} ranks, buckets of {bucket}: the bits of one process" + ("" if bits(text) == alone else f": {tidy(text, err)}"))
            gradient = int(re.search(r"^gradient (\d+)", text, re.M)[1])
            sent = sum(int(m) for m in re.findall(r" sent (\d+)", text))
            check(sent == 2 * (n - 1) * gradient * STEPS, f"{n} ranks, buckets of {bucket}: {sent} bytes sent for gradients of {gradient}")
        for (_, bucket, there), (_, _, plan) in zip(parts[:BUCKETS], parts[BUCKETS:]):
            check(memory(there) == memory(plan), f"{n} ranks, buckets of {bucket}: {memory(there)}, in a plan {memory(plan)}")


def memory(out):
    return re.search(r"^memory .*$", out, re.M)[0]


def one_line(found, n, arguments, line):
    status, out, err = found
    there = [text for text in out.splitlines() if line in text]
    check(status != 0 and there, f"{n} ranks, {' '.join(arguments)}: \"{line}\"" + ("" if there else f" is not in: {tidy(out, err)}"))


def waits(mpirun, replica, alone, others):
    """Beside the others, since these mostly sleep."""
    stopped = [["ranks=4", f"stops={who}", "timeout=5"] for who in (1, 0)]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        compiles = pool.submit(ranks.run, mpirun, 4, [replica, "ranks=4", "compiles=3", "timeout=5"])
        ends = [pool.submit(ranks.run, mpirun, 4, [replica, *words]) for words in stopped]
        others()
        for words, end in zip(stopped, ends):
            one_line(end.result(), 4, words, f"rank {words[1][-1]} has been silent for 5 seconds")
        status, out, err = compiles.result()
        check(status == 0 and bits(out) == alone, f"a rank that compiles for long is not silent{'' if status == 0 else ': ' + tidy(out, err)}")


def at_once(mpirun, replica):
    status, out, err = ranks.run(mpirun, 1, [replica, "nulls"])
    check(status == 0 and "nulls ok" in out, "NULL for each pointer" + ("" if status == 0 else f": {tidy(out, err)}"))
    status, out, err = ranks.run(mpirun, 2, [replica, "errors"])
    check(status == 0 and out.count("errors ok") == 2, "errors of MPI before there is a group" + ("" if status == 0 else f": {tidy(out, err)}"))
    for n, words, line in (
        (3, ["shards=12"], "power of two"),
        (4, ["gives_up=2"], "rank 2: its cat is on the keyboard"),
        (4, ["gives_up=0"], "rank 0: its cat is on the keyboard"),
    ):
        words = [f"ranks={n}", *words]
        one_line(ranks.run(mpirun, n, [replica, *words]), n, words, line)


def main(replica):
    library = subprocess.run([replica, "version"], capture_output=True, text=True, check=True).stdout.strip()
    mpirun = ranks.find(library)
    print(library.splitlines()[0])
    alone = subprocess.run([replica], env=dict(os.environ, **ranks.ENVIRONMENT), capture_output=True, text=True, check=False)
    check(alone.returncode == 0 and bits(alone.stdout), "one process without MPI")
    other = subprocess.run([replica, "shards=16"], env=dict(os.environ, **ranks.ENVIRONMENT), capture_output=True, text=True, check=False)
    check(bits(other.stdout) != bits(alone.stdout), "the number of shards shows in the bits")
    same = bits(alone.stdout)
    waits(mpirun, replica, same, lambda: (same_bits(mpirun, replica, same), at_once(mpirun, replica)))
    print(f"{len(failures)} failed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(os.path.abspath(sys.argv[1]))
