#!/usr/bin/env python3
"""What a CPU's compiler made of the kernels of a training step: vectors are whole registers, as wide as the device says.

usage: test_registers.py CLGRAD_INFO GAN_TRAIN

PoCL keeps its machine code in files, which objdump reads; on x86 alone, where registers' names tell their width.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

REGISTERS = {16: "zmm", 8: "ymm"}


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def width_of(info, env):
    said = subprocess.run([info, "--no-self-test", "--json"], env=env, check=True, capture_output=True).stdout
    return next(device["native_float_width"] for device in json.loads(said)["devices"] if device["chosen"])


def kernels(folder):
    """(name, disassembly) of each that was compiled."""
    for place, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".so"):
                text = subprocess.run(["objdump", "-d", os.path.join(place, name)], check=True, capture_output=True, text=True)
                yield name[:-3], text.stdout


def main(info, gan_train):
    if not shutil.which("objdump"):
        skip("no objdump")
    with tempfile.TemporaryDirectory() as folder:
        env = dict(os.environ, POCL_CACHE_DIR=folder, CLGRAD_CACHE="off", CLGRAD_SHAPE="cpu")
        width = width_of(info, env)
        if width not in REGISTERS:
            skip(f"vectors of {width} floats")
        train = [gan_train, "--data", "ring", "--model", "mlp", "--batch", "16", "--steps", "1", "--quiet"]
        subprocess.run(train, env=env, check=True, stdout=subprocess.DEVNULL)
        made = list(kernels(folder))
    if not any("xmm" in text for _, text in made):
        skip("no machine code of x86")
    whole = REGISTERS[width]
    narrow = sorted(name for name, text in made if whole not in text and ("ymm" in text or name.endswith("_each")))
    for name in narrow:
        print(f"FAIL {name}: no vector of {width} floats")
    print(f"{len(made)} kernels, {len(narrow)} with narrow vectors")
    sys.exit(1 if narrow or not made else 0)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
