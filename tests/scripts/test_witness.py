#!/usr/bin/env python3
"""Runs gan_train under an independent witness of OpenCL objects (tests/tools/clwitness.c), every variant in one device shape.

The witness must see exactly the reserved peak that the library reports and predicts, and no object of any kind alive at exit.

usage: test_witness.py GAN_TRAIN WITNESS.so cpu|gpu
"""
import json
import os
import subprocess
import sys
import tempfile

VARIANTS = ["detach", "retain_graph", "inputs", "recompute", "no_grad", "frozen_d", "polluted", "one_stage", "naive", "stale"]
REMATERIALISED = ["detach", "retain_graph", "inputs"]
FAIL_AS_THEY_MUST = {"naive", "stale"}


def run(program, witness, shape, variant, more, folder):
    report, seen = (os.path.join(folder, name) for name in ("report.json", "witness.json"))
    preload = ":".join(filter(None, [witness, os.environ.get("LD_PRELOAD")]))
    env = dict(os.environ, LD_PRELOAD=preload, CLWITNESS_OUT=seen, CLGRAD_SHAPE=shape)
    command = [program, "--variant", variant, "--data", "ring", "--model", "mlp", "--batch", "48", "--steps", "4", "--quiet", "--json", report, *more]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    problems = []
    if done.returncode != (1 if variant in FAIL_AS_THEY_MUST else 0):
        problems.append(f"exit status {done.returncode}: {done.stderr.strip()}")
    with open(seen, encoding="utf-8") as file:
        witnessed = json.load(file)
    alive = {kind: n for kind, n in witnessed["live_objects"].items() if n}
    if alive or witnessed["live_bytes"]:
        problems.append(f"alive at exit: {alive}, {witnessed['live_bytes']} bytes")
    with open(report, encoding="utf-8") as file:
        result = json.load(file)["variants"][0]
    for key in ("peak_reserved_bytes", "predicted_peak_reserved_bytes"):
        if result[key] != witnessed["peak_bytes"]:
            problems.append(f"{key} is {result[key]}, the witness saw {witnessed['peak_bytes']}")
    if result["predicted_peak_live_bytes"] != result["peak_live_bytes"]:
        problems.append(f"predicted live peak {result['predicted_peak_live_bytes']}, measured {result['peak_live_bytes']}")
    return problems


def main(program, witness, shape):
    failed = 0
    runs = [(variant, []) for variant in VARIANTS] + [(variant, ["--remat"]) for variant in REMATERIALISED]
    for variant, more in runs:
        with tempfile.TemporaryDirectory() as folder:
            problems = run(program, witness, shape, variant, more, folder)
        failed += bool(problems)
        for problem in problems:
            print(f"FAIL {' '.join([variant, *more])}, {shape}: {problem}")
    print(f"{len(runs) - failed} passed, {failed} failed, 0 skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), sys.argv[3])
