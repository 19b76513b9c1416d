#!/usr/bin/env python3
"""The same bits on registers of any width: ops (bits.c) and 20 steps of training with PoCL as it is here and for older CPUs.

usage: test_bits.py BITS GAN_TRAIN HOSTCPU_RUN LIBHOSTCPU
"""
import hashlib
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

bits, gan_train, hostcpu_run, hostcpu = sys.argv[1:]
SKIPPED = 77
MODELS = {
    "mlp": ["--batch", "37"],
    "dcgan": ["--model", "dcgan", "--batch", "6", "--image-size", "32", "--ngf", "9", "--ndf", "11"],
}
failed = False


def run(cpu, *words, **variables):
    """What it prints, on PoCL for `cpu`, or (None) for the CPU that is here."""
    before = [hostcpu_run, hostcpu, cpu] if cpu else []
    environment = {**os.environ, "CLGRAD_SHAPE": "cpu", **variables}
    done = subprocess.run([*before, *words], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr, end="", file=sys.stderr)
        sys.exit(SKIPPED if cpu and done.returncode == SKIPPED else 1)
    return done.stdout


def rows(cpu, groups=(), start="", **variables):
    """{op: hash} of those of these groups whose names begin so, and the device's width."""
    lines = [line.rsplit(" ", 1) for line in run(cpu, bits, *groups, **variables).splitlines()]
    table = {name: value for name, value in lines if name.startswith(start) or name == "width"}
    return table.pop("width"), table


def make_pictures(folder):
    """256 of 28 x 28, in the format of MNIST."""
    pixels = random.Random(1).randbytes(256 * 28 * 28)
    pathlib.Path(folder, "train-images-idx3-ubyte").write_bytes(struct.pack(">4I", 2051, 256, 28, 28) + pixels)


def trained(cpu, words, folder):
    """Of the state after 20 steps: parameters, moments and the random stream."""
    file = pathlib.Path(folder, "state")
    run(cpu, gan_train, "--data", folder, "--steps", "20", "--seed", "5", "--quiet", *words, "--save", str(file))
    return hashlib.sha256(file.read_bytes()).hexdigest()


def same(what, here, there):
    global failed
    different = [name for name in here if here[name] != there[name]]
    print(f"{what}: {len(here)} rows, {len(different)} different {' '.join(different)}".rstrip())
    failed = failed or bool(different) or not here


width, here = rows(None)
older, there = rows("haswell")
same(f"widths {width} and {older}", here, there)
# Without fma, which older CPUs lack; what math functions return may differ there.
sums = {"groups": ("products", "convolutions"), "start": "sums"}
width, here = rows(None, **sums, CLGRAD_FMA="off")
for cpu in ("ivybridge", "nehalem"):
    older, there = rows(cpu, **sums)
    same(f"without fma, widths {width} and {older}", here, there)
with tempfile.TemporaryDirectory() as folder:
    make_pictures(folder)
    for model, words in MODELS.items():
        same(f"20 steps of {model}", {"state": trained(None, words, folder)}, {"state": trained("haswell", words, folder)})
sys.exit(failed)
