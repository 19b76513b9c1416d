#!/usr/bin/env python3
"""Kills processes that save, at any moment: the path must name a whole file each time, what they leave must not pile up
or get in the way, and a training must go on from it as if nothing had happened.

usage: test_save_kill.py IO_TOOL [GAN_TRAIN]
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

ROUNDS = 12
PAIRS = 4
RUNS = 5
STEPS = 200
SHAPES = {"0.bias": [1200], "0.weight": [1200, 600], "1.bias": [300], "1.weight": [300, 1200]}
running = []  # processes, to be ended whatever happens


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


def left_behind(path):
    """Whether there is a temporary file; raises when there is anything else."""
    parts = {p.name for p in path.parent.iterdir()} - {path.name}
    assert parts <= {path.name + ".tmp"}, parts
    return bool(parts)


def start(*command):
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    running.append(process)
    return process


def start_saving(tool, path):
    process = start(tool, "forever", str(path))
    assert process.stdout.readline() == b"saved\n"
    return process


def end(process):
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    running.remove(process)


def kill_one(tool, path):
    left = 0
    for number in range(ROUNDS):
        process = start_saving(tool, path)
        time.sleep(random.uniform(0, 0.05))
        end(process)
        value = value_of(path)
        left += left_behind(path)
        print(f"round {number}: killed after save {value:.0f}")
    print(f"{ROUNDS} kills, {left} of them within a save")


def kill_one_of_two(tool, path):
    """Two save the same path; one is killed, the other goes on."""
    for _ in range(PAIRS):
        pair = [start_saving(tool, path), start_saving(tool, path)]
        time.sleep(random.uniform(0, 0.1))
        end(pair[0])
        for _ in range(5):
            before = path.stat()
            value_of(path)
            for _ in range(1000):
                now = path.stat()
                if (now.st_ino, now.st_mtime_ns) != (before.st_ino, before.st_mtime_ns):
                    break
                time.sleep(0.01)
            else:
                raise AssertionError("the other one saves no more")
        assert pair[1].poll() is None
        end(pair[1])
        value_of(path)
        left_behind(path)


def replaces_what_was_left(tool, path):
    temporary = path.parent / (path.name + ".tmp")
    temporary.write_bytes(b"x" * 10_000_000)
    subprocess.run([tool, "copy", str(path), str(path)], check=True)
    value_of(path)
    assert not left_behind(path)
    # What is no file of ours is not written to.
    other = path.parent.parent / "other"
    other.write_bytes(b"precious")
    for make in (temporary.symlink_to, temporary.hardlink_to):
        make(other)
        assert subprocess.run([tool, "copy", str(path), str(path)], stderr=subprocess.DEVNULL, check=False).returncode == 1
        assert other.read_bytes() == b"precious"
        temporary.unlink()


def step_of(path):
    with path.open("rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        return int(json.loads(file.read(size))["__metadata__"]["step"])


def kill_training(program, path):
    """A run that saves after every step is killed and goes on, again and again, to the state that one run leaves."""
    whole = path.parent.parent / "whole"
    common = [program, "--data", "ring", "--model", "mlp", "--batch", "16", "--hidden", "128", "--quiet"]
    subprocess.run([*common, "--steps", str(STEPS), "--save", str(whole)], check=True, stdout=subprocess.DEVNULL)
    done = 0
    for _ in range(RUNS):
        resume = ["--resume", str(path)] if done else []
        command = [*common, "--steps", str(STEPS - done), "--save-every", "1", "--save", str(path), *resume]
        process = start(*command)
        while process.poll() is None and not (path.exists() and step_of(path) > done):
            time.sleep(0.002)
        time.sleep(random.uniform(0, 0.1))
        end(process)
        now = step_of(path)
        assert now > done, f"killed at step {now} after one at {done}"
        print(f"training killed after step {now}{', within a save' if left_behind(path) else ''}")
        done = now
        if done == STEPS:
            break
    if done < STEPS:
        last = [*common, "--steps", str(STEPS - done), "--resume", str(path), "--save", str(path)]
        subprocess.run(last, check=True, stdout=subprocess.DEVNULL)
    assert path.read_bytes() == whole.read_bytes(), "the resumed run ended elsewhere"
    assert not left_behind(path)


def main(tool, program=None):
    random.seed(7)
    with tempfile.TemporaryDirectory() as folder:
        saved = pathlib.Path(folder) / "saved"
        saved.mkdir()
        path = saved / "weights.safetensors"
        try:
            kill_one(tool, path)
            kill_one_of_two(tool, path)
            replaces_what_was_left(tool, path)
            path.unlink()
            if program:
                kill_training(program, path)
        finally:
            for process in list(running):
                end(process)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
