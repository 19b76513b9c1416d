#!/usr/bin/env python3
"""Traces by the rules of Chrome's trace event format, of gan_train --trace and of a program that knows nothing of them ($CLGRAD_TRACE).

usage: test_trace.py GAN_TRAIN EXAMPLE
"""
import collections
import json
import math
import pathlib
import resource
import subprocess
import sys
import tempfile

import gan_runs

PHASES, CALLS, DEVICE = 1, 2, 3
ROLES = ["parameter", "gradient", "optimizer", "saved", "activation", "workspace", "data"]


def nanoseconds(microseconds):
    return round(microseconds * 1000)


def check_pairs(events):
    """Begin and end on each row of the host: in order, one within the other, none left open."""
    for row in (PHASES, CALLS):
        stack, last = [], 0
        for e in events:
            if e["tid"] != row or e["ph"] not in "BE":
                continue
            assert e["ts"] >= last, f"row {row} goes back in time: {e}"
            last = e["ts"]
            if e["ph"] == "B":
                assert e["name"] and e["cat"], e
                stack.append(e)
                assert row == CALLS or len(stack) == 1, f"phases within each other: {stack}"
            else:
                assert stack, f"an end without a begin: {e}"
                stack.pop()
        assert not stack, f"not ended: {stack}"


def check_kernels(events):
    """One after the other, each queued, then submitted, then begun, and no longer than it may be."""
    end, kernels = 0, [e for e in events if e["ph"] == "X"]
    for e in kernels:
        assert e["tid"] == DEVICE and e["cat"] == "kernel" and e["dur"] >= 0, e
        begin = nanoseconds(e["ts"])
        assert begin >= end, f"{e} begins before {end}"
        end = begin + nanoseconds(e["dur"])
        args = e["args"]
        assert 0 <= args["queued"] <= args["submitted"] <= e["ts"], e
        assert set(args) == {"phase", "file", "queued", "submitted"}, e
    return kernels


def check_ids(events, error):
    """What has an id comes in pairs: waits in the queue, and arrows from launches to kernels."""
    open_waits, waits, arrows = {}, 0, collections.defaultdict(dict)
    for e in events:
        if e["ph"] in "be":
            key = (e["cat"], e["name"], e["id"])
            assert e["name"] in ("queued", "submitted"), e
            if e["ph"] == "b":
                assert key not in open_waits, f"begun twice: {e}"
                open_waits[key] = e["ts"]
            else:
                assert e["ts"] >= open_waits.pop(key), f"ended before it began: {e}"
                waits += 1
        elif e["ph"] in "sf":
            assert e["ph"] not in arrows[e["id"]], f"twice: {e}"
            arrows[e["id"]][e["ph"]] = e
    assert not open_waits, open_waits
    for pair in arrows.values():
        assert set(pair) == {"s", "f"}, pair
        assert pair["f"]["ts"] >= pair["s"]["ts"] - 2 * error, f"runs before it is launched: {pair}"
        assert pair["f"]["bp"] == "e" and pair["s"]["tid"] == CALLS and pair["f"]["tid"] == DEVICE, pair
    return waits, len(arrows)


def check_counters(events):
    last = 0
    counters = [e for e in events if e["ph"] == "C"]
    assert counters
    for e in counters:
        assert e["name"] == "memory" and list(e["args"]) == ROLES, e
        assert all(isinstance(v, int) and v >= 0 for v in e["args"].values()), e
        assert e["ts"] >= last, f"the counters go back in time: {e}"
        last = e["ts"]


def check(path, steps):
    """The kernels' names, when all is right."""
    trace = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda name: sys.exit(f"{path}: {name}"))
    events, about = trace["traceEvents"], trace["otherData"]
    assert set(trace) == {"traceEvents", "displayTimeUnit", "otherData"}, list(trace)
    for e in events:
        assert e["ph"] in "BEXCMbesf" and e["pid"] == 1 and e["tid"] in (PHASES, CALLS, DEVICE), e
        assert e["ts"] >= 0 and math.isfinite(e["ts"]), e
    assert {e["args"]["name"] for e in events if e["name" if "name" in e else "ph"] == "thread_name"} == {"phases", "calls", "device"}
    check_pairs(events)
    check_counters(events)
    kernels = check_kernels(events)
    assert len(kernels) == about["kernels"] == about["launches"] > steps, about
    error = about["clock_error_us"]
    assert error > 0 and about["markers"] >= 2, about
    waits, arrows = check_ids(events, error)
    assert waits == 2 * len(kernels) and arrows == len(kernels), (waits, arrows, len(kernels))
    # All that the host waited for lies within the trace, give or take what the clocks may be off.
    ends = [e["ts"] for e in events if e["ph"] == "E"]
    assert kernels[-1]["ts"] + kernels[-1]["dur"] <= max(ends) + 2 * error, (kernels[-1], max(ends), error)
    return {e["name"] for e in kernels}


def main(gan_train, example):
    gan_train, example = (gan_runs.os.path.abspath(program) for program in (gan_train, example))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="clgrad-trace-"))
    done = subprocess.run([example], env={**gan_runs.os.environ, "CLGRAD_TRACE": str(folder / "e.json")}, capture_output=True, text=True, check=True)
    assert "y = " in done.stdout, done
    names = check(folder / "e.json", 100)
    assert "sgd" in names, names

    def run(*words, **more):
        return gan_runs.run(gan_train, *gan_runs.SMALL, *words, folder=folder, **more)

    status, plain, err = run("--steps", "12")
    assert status == 0, err
    status, out, err = run("--steps", "12", "--trace", "t.json", "--json", "t.report")
    assert status == 0 and not err, err
    names = check(folder / "t.json", 10)
    assert {"norm_forward", "norm_backward"} < names, names
    phases = [e["name"] for e in json.loads((folder / "t.json").read_text())["traceEvents"] if e["ph"] == "B" and e["tid"] == PHASES]
    assert phases.count("G backward") == 10, phases
    # The run itself is as without.
    losses = [[line for line in text.splitlines() if line.startswith(b"losses")] for text in (plain, out)]
    assert losses[0] == losses[1] and losses[0], losses
    # A run that fails as it should has one too.
    status, _, err = run("--variant", "naive", "--steps", "3", "--trace", "n.json")
    assert status == 1 and len(err) == 1 and "second time" in err[0], err
    check(folder / "n.json", 0)

    # A disk that is full, unless the driver itself cannot do with it: one line of that, and nothing else is lost.
    def full_disk():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    (folder / "t.json").unlink()
    (folder / "t.report").unlink()
    words = ["--steps", "12", "--json", "t.report", "--save", "t.st"]
    if run(*words, before=full_disk)[0] == 0:
        status, out, err = run(*words, "--trace", "t.json", before=full_disk)
        err = [line for line in err if line.startswith("gan_train:")]  # a driver may tell of the signal
        assert status == 1 and "cannot write t.json: File too large" in err[0], err
        assert json.loads((folder / "t.report").read_text()) and gan_runs.step_of(folder / "t.st") == 12
        assert not (folder / "t.json").exists() and not (folder / "t.json.tmp").exists()
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
