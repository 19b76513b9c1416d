#!/usr/bin/env python3
"""The model of docs/scaling.md: its arithmetic by cases that are worked out by hand, how it reads a trace, and its picture.

usage: test_scaling.py
"""
import math
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
import scaling
import scaling_draw as drawing
import scaling_model as model

MIB, BUCKET = 1 << 20, 256 << 10
LINK = model.Link(latency=0.001, large=0.003, rate=1e8)


def check(what, got, want):
    if not (math.isclose(got, want, rel_tol=1e-9, abs_tol=1e-12) if isinstance(want, float) else got == want):
        sys.exit(f"test_scaling.py: {what}: {got}, not {want}")


def bytes_are_exact():
    for ranks in (1, 2, 4, 64):
        check(f"bytes of {ranks} ranks", ranks * model.sent(MIB, ranks), 2 * (ranks - 1) * float(MIB))


def buckets():
    leaves = [model.Leaf(100, 9), model.Leaf(60, 5), model.Leaf(30, 0)]
    check("a bucket waits for its last leaf", model.cut(leaves, 80), [[80, 9], [80, 5], [30, 0]])
    check("no bytes, no buckets", model.cut([model.Leaf(0, 1)], 80), [])


def waits():
    transfer = MIB / 1e8
    late, early = [model.Leaf(MIB, 0)], [model.Leaf(MIB, 1)]
    check("one rank", model.exposed(late, 1, LINK, BUCKET), 0.0)
    check("nothing is hidden", model.exposed(late, 2, LINK, BUCKET), transfer + 2 * 0.003)
    check("all is", model.exposed(early, 2, LINK, BUCKET), 0.0)
    check("a few bytes at the end", model.exposed(early + [model.Leaf(1000, 0)], 2, LINK, BUCKET), 1000 / 1e8 + 2 * 0.001)
    # The first leaf is on its way for as long as 10 ms are left, the second one comes behind what is left of it.
    both = [model.Leaf(MIB, 0.010), model.Leaf(MIB, 0)]
    check("one behind the other", model.exposed(both, 2, LINK, BUCKET), 2 * transfer - 0.010 + 2 * 0.003)
    # Of 4 ranks' buckets halves are 128 KiB, quarters 64 KiB: both ask; an eighth does not.
    check("a way there and back", model.latencies(BUCKET, 4, LINK), 2 * (0.003 + 0.003))
    check("of 8 ranks", model.latencies(BUCKET, 8, LINK), 2 * (0.003 + 0.003 + 0.001))


def steps():
    sums = [[model.Leaf(MIB, 0.5)], [model.Leaf(MIB, 0)]]
    whole = 2 * model.exposed(sums[1], 2, LINK, BUCKET)
    check("without overlap", model.step(1.0, sums, 2, LINK, BUCKET, overlap=False)[0], 1 + whole)
    check("with it, one sum of two", model.step(1.0, sums, 2, LINK, BUCKET)[0], 1 + whole / 2)
    busy = model.Link(LINK.latency, LINK.large, LINK.rate, host=1e-9)
    check("what is hidden costs the processor", model.step(1.0, sums, 2, busy, BUCKET, ranks_per_core=2)[0], 1 + whole / 2 + 2e-9 * MIB)
    check("slower", model.scaled(sums, 3)[0][0].behind, 1.5)


def traces():
    """Two layers of a convolution and a norm; the last backward alone counts."""
    def event(ph, cat, ts, **more):
        return {"ph": ph, "cat": cat, "ts": ts, **more}

    events = [event("B", "phase", 0, name="D fake backward"), event("B", "phase", 100, name="D fake backward"), event("B", "phase", 200, name="D step")]
    names = [(10, "D.1.0", ["conv_wgrad"]), (110, "D.1.0", ["conv_wgrad", "conv_parts", "conv_gather"]), (140, "D.0.1", ["norm"]),
             (170, "D.0.0", ["conv_wgrad"])]
    for at, layer, kernels in names:
        events.append(event("B", "node", at, name="op", args={"layer": layer}))
        for i, name in enumerate(kernels):
            events.append(event("s", "launch", at + 1 + i))
            events.append(event("X", "kernel", 1000 + at + i, dur=10, name=name, args={"phase": "D fake backward"}))
    sizes = {"D.1.0.weight": 4000, "D.0.1.weight": 20, "D.0.1.bias": 20, "D.0.0.weight": 400, "G.0.0.weight": 7}
    found = scaling.leaves_of(events, sizes, "D fake backward", "D", 100)
    check("leaves of a trace", found, [[4000, 0.3], [40, 0.1], [400, 0.0]])


def pictures():
    case = drawing.Case(1.0, [[model.Leaf(MIB, 0)]], 0.0, 0.0, 0.0, BUCKET)
    table = drawing.rows(case, 16, lambda n: 64 // n)
    check("one rank is what it is", table[0]["1"], 16.0)
    check("a fast link is near the ideal", table[-1]["100"] > 0.99 * table[-1]["ideal"], True)
    check("a slow one pays no further", drawing.pays_to([{"ranks": n, "ideal": float(n), "1": n ** 0.9} for n in (1, 2, 4, 8, 16)], "1"), 8)
    svg = drawing.picture([("a title", table)])
    check("its lines", svg.count("<polyline"), len(drawing.RATES) + 1)


def main():
    for test in (bytes_are_exact, buckets, waits, steps, traces, pictures):
        test()
        print("ok", test.__name__)


if __name__ == "__main__":
    main()
