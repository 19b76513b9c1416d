#!/usr/bin/env python3
"""Every entry of the kernel cache is damaged: a training gives the numbers of a run without a cache, says nothing, and waits for nobody.
In each round each entry in its own way, the next in the next; ROUNDS (2) of them, 8: every entry in every way.

usage: test_cache_damage.py GAN_TRAIN [ROUNDS]
"""
import os
import pathlib
import random
import shutil
import sys
import tempfile

import gan_runs

COMMAND = [*gan_runs.SMALL, "--steps", "2"]


def flip_a_bit(path, data, others):
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    path.write_bytes(data)


def cut(path, data, others):
    path.write_bytes(data[: random.randrange(len(data))])


def add_a_byte(path, data, others):
    path.write_bytes(data + b"x")


def exchange(path, data, others):
    path.write_bytes(random.choice(others))


def replace(path, data, others):
    path.write_bytes(random.randbytes(len(data)))


def replace_sizes(path, data, others):
    path.write_bytes(data[:8] + random.randbytes(16) + data[24:])


def empty(path, data, others):
    path.write_bytes(b"")


def put_no_file(path, data, others):
    path.unlink()
    random.choice([lambda: path.symlink_to("/dev/zero"), path.mkdir, lambda: path.symlink_to(path), lambda: os.mkfifo(path)])()


KINDS = [flip_a_bit, cut, add_a_byte, exchange, replace, replace_sizes, empty, put_no_file]


def losses(program, folder, cache):
    """PoCL's own cache would do without ours."""
    status, out, errors = gan_runs.run(program, *COMMAND, folder=folder, CLGRAD_CACHE=str(cache), POCL_KERNEL_CACHE="0")
    assert status == 0 and not errors, (status, errors)
    return [line for line in out.decode().splitlines() if line.startswith("losses")]


def main(program, rounds):
    random.seed(5)
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        cache = folder / "cache"
        right = losses(program, folder, "off")
        assert right and losses(program, folder, cache) == right
        whole = {path.name: path.read_bytes() for path in cache.iterdir()}
        assert whole, "nothing is cached"
        assert len(whole) >= len(KINDS), "too few entries for every way"
        for first in range(rounds):
            shutil.rmtree(cache)
            cache.mkdir(mode=0o700)
            ways = {name: KINDS[(first + i) % len(KINDS)] for i, name in enumerate(sorted(whole))}
            for name, data in whole.items():
                (cache / name).write_bytes(data)
                (cache / name).chmod(0o600)
                ways[name](cache / name, bytearray(data), list(whole.values()))
            said = ", ".join(f"{name}: {way.__name__}" for name, way in ways.items())
            assert losses(program, folder, cache) == right, said
            print(said)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(str(pathlib.Path(sys.argv[1]).resolve()), int(sys.argv[2]) if len(sys.argv) == 3 else 2)
