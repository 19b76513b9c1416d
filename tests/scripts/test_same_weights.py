#!/usr/bin/env python3
"""The weights of the mlp on the ring, after 20 steps in a reproducible context, have the bits that they have on every device of the
shape. "small": of fewer neurons and samples, for what is slow.

usage: test_same_weights.py GAN_TRAIN SHAPE [small]
"""
import hashlib
import json
import os
import subprocess
import sys
import tempfile

WANT = {
    ("cpu",): "39186e8ba79edde7",
    ("gpu",): "ea194ed78a9ce2b0",
    ("cpu", "small"): "0900d475f0e7b9cb",
    ("gpu", "small"): "b8728308d4b7e821",
}
SMALL = ["--hidden", "16", "--batch", "8"]


def weights(path):
    """A hash over the parameters of both networks, by their names."""
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        data = file.read()
    found = hashlib.sha256()
    names = sorted(name for name in header if name.startswith(("D.", "G.")) and name.endswith((".weight", ".bias")))
    for name in names:
        first, last = header[name]["data_offsets"]
        found.update(name.encode() + b"\0" + data[first:last])
    return len(names), found.hexdigest()[:16]


def main(program, *case):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "state")
        words = ["--model", "mlp", "--data", "ring", "--steps", "20", "--seed", "1", "--quiet", "--save", path, *(SMALL if "small" in case else [])]
        subprocess.run([program, *words], env={**os.environ, "CLGRAD_REPRODUCIBLE": "on"}, stdout=subprocess.DEVNULL, check=True)
        n, found = weights(path)
    print(f"{n} parameters, {found}")
    if not n or found != WANT[case]:
        sys.exit(f"other bits than {WANT[case]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
