#!/usr/bin/env python3
"""Kills a process that saves one file after the other, at any moment: the path must name a whole file each time.

usage: test_save_kill.py IO_TOOL
"""
import json
import pathlib
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time

ROUNDS = 20
SHAPES = {"0.bias": [1200], "0.weight": [1200, 600], "1.bias": [300], "1.weight": [300, 1200]}


def value_of(path):
    """The number that every element has; raises when the file is not whole or of two saves."""
    data = path.read_bytes()
    (size,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + size])
    assert {name: row["shape"] for name, row in header.items()} == SHAPES, header
    values = {data[i : i + 4] for i in range(8 + size, len(data), 4)}
    assert len(values) == 1, f"a file of {len(values)} different saves"
    assert max(row["data_offsets"][1] for row in header.values()) == len(data) - 8 - size
    return struct.unpack("<f", values.pop())[0]


def main(tool):
    random.seed(7)
    left = 0
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "weights.safetensors"
        for number in range(ROUNDS):
            with subprocess.Popen([tool, "forever", str(path)], stdout=subprocess.PIPE) as process:
                assert process.stdout.readline() == b"saved\n"
                time.sleep(random.uniform(0, 0.05))
                process.send_signal(signal.SIGKILL)
                process.wait()
            value = value_of(path)
            parts = [p for p in path.parent.iterdir() if p != path]
            left += len(parts)
            for part in parts:
                part.unlink()
            print(f"round {number}: killed after save {value:.0f}, {len(parts)} temporary file left")
    print(f"{ROUNDS} kills, {left} of them within a save")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
