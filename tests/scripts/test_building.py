#!/usr/bin/env python3
"""What a first run says on a terminal while it compiles: each program by its number, of as many as a plan counted.

usage: test_building.py CLGRAD_INFO GAN_TRAIN
"""
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import gan_runs

WIDE = re.compile(r"\rcompiling kernels for this device, once: (\d+) of (\d+)")
NARROW = re.compile(r"\rcompiling kernels: (\d+) of (\d+)")


def on_terminal(command, columns, **more):
    """What the command writes to a terminal's standard error; its status."""
    mine, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = dict(os.environ, CLGRAD_CACHE="off", TERM="dumb", **more)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=its, env=env) as process:
        os.close(its)
        text = b""
        while True:
            try:
                part = os.read(mine, 65536)
            except OSError:  # the other side is closed
                break
            if not part:
                break
            text += part
    os.close(mine)
    return text.decode(), process.returncode


def check(command, columns, pattern, times=1, **more):
    """`times`: of how many contexts it tells, one after the other."""
    text, status = on_terminal(command, columns, **more)
    said = [(int(a), int(b)) for a, b in pattern.findall(text)]
    problems = []
    if status:
        problems.append(f"status {status}")
    totals = [b for a, b in said if a == 1]
    if len(totals) != times or said != [(a, total) for total in totals for a in range(1, total + 1)]:
        problems.append(f"said {said}")
    wide = [part for part in re.split(r"[\r\n]", text) if "compiling" in part and len(part) >= columns]
    if wide:
        problems.append(f"longer than the terminal: {wide}")
    if "compiling" in text and not re.search(r"compiling[^\r\n]*\r *\r", text):
        problems.append("the line is not taken off the terminal")
    return [f"FAIL {' '.join(command[1:])} at {columns} columns {more}: {p}" for p in problems]


def main(info, gan_train):
    if not gan_runs.has_terminals():
        print("skipped: no pseudo-terminals here")
        sys.exit(77)
    problems = check([info], 80, WIDE, times=2, CLGRAD_SHAPE="cpu")  # its tests, and the bits
    train = [gan_train, "--data", "ring", "--model", "mlp", "--batch", "16", "--steps", "2"]
    problems += check(train, 40, NARROW, CLGRAD_SHAPE="cpu")
    text, _ = on_terminal([*train, "--quiet"], 80, CLGRAD_SHAPE="cpu")
    if text:
        problems.append(f"FAIL --quiet says {text!r}")
    for line in problems:
        print(line)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
