#!/usr/bin/env python3
"""Random environments and command lines for the applications: the status is 0, 1 or 2, an error is one line, help and reports go
to standard output alone, and nothing hangs. $TEST_SEED: where the sequence starts.

usage: test_environments.py RUNS GAN_TRAIN CLGRAD_INFO CLGRAD_TUNE
"""
import os
import random
import subprocess
import sys
import tempfile

WORDS = [
    "", "off", "cpu", "gpu", "0:0", "0:1", "9:9", "99999999999:0", "0:0:0", "-1:0", "Portable", "nosuch", "%s%n%x", "/", "/dev/null",
    "/dev/full", "/proc/self/mem", "/nonexistent/x", "a" * 5000, "\x1b[31m", "\u00e9", "\udcff\udcfe", "..", ".", "~", "0:", ":0", " ",
    "/etc/passwd", "\n", "*", "0x1:0",
]
VARIABLES = ["CLGRAD_DEVICE", "CLGRAD_SHAPE", "CLGRAD_CACHE", "CLGRAD_TUNING", "CLGRAD_DEBUG", "XDG_CACHE_HOME"]
SMALL = ["--data", "ring", "--model", "mlp", "--steps", "1", "--batch", "4", "--hidden", "8", "--quiet"]
GAN = [
    SMALL, [*SMALL, "--json", "-"], ["--help"], ["--version"], ["--plan"], ["--plan", "--compare"], ["--plan", "--json", "-"],
    ["--plan", "--batch", "2147483647"], ["--plan", "--hidden", "65536", "--batch", "65536"],
    ["--plan", "--model", "dcgan", "--ngf", "4", "--ndf", "4", "--batch", "2"],
    ["--plan", "--model", "dcgan", "--image-size", "1024", "--ngf", "65536"],
    ["--plan", "--model", "wgan_gp", "--data", "ring", "--critic-steps", "1000"],
]
INFO = [[], ["--json"], ["--help"], ["--device-file", "device-file"], ["--device-file", "/dev/full"], ["--device", "x"], ["--bogus"], ["extra"]]
TUNE = [["--help"], ["--bogus"], ["--device", "nosuch", "table"]]
# A driver's compiler counts its warnings there.
NOT_OURS = ("warning generated.", "warnings generated.", "error generated.", "errors generated.")
PROGRESS = b"compiling kernels for this device, once: "


def problem(program, run):
    """What is wrong with a run, or None."""
    said = [line for line in run.stderr.split(b"\n") if line.strip()]
    said = [line for line in said if not line.decode("latin1").rstrip().endswith(NOT_OURS) and not line.startswith(PROGRESS)]
    if run.returncode not in (0, 1, 2):
        return f"status {run.returncode}"
    if any(b"\x1b" in line for line in said):
        return "an escape character"
    if run.returncode == 0 and said and b"tun" not in said[0] and b"built-in" not in said[0]:
        return "status 0, but text on standard error"
    if run.returncode and len(said) != 1 and not program.endswith("clgrad_info"):
        return f"{len(said)} lines"
    return None


def main(runs, gan_train, clgrad_info, clgrad_tune):
    random.seed(int(os.environ.get("TEST_SEED", "7")))
    gan_train, clgrad_info, clgrad_tune = (os.path.abspath(program) for program in (gan_train, clgrad_info, clgrad_tune))
    bad = 0
    with tempfile.TemporaryDirectory(prefix="environments.") as folder:
        for _ in range(int(runs)):
            program, lines = random.choice([(gan_train, GAN)] * 4 + [(clgrad_info, INFO), (clgrad_tune, TUNE)])
            options = random.choice(lines)
            env = dict(os.environ)
            env.update({name: random.choice(WORDS) for name in VARIABLES if random.random() < 0.45})
            shown = {name: env[name][:40] for name in VARIABLES if name in env}
            try:
                run = subprocess.run([program, *options], env=env, capture_output=True, timeout=600, stdin=subprocess.DEVNULL, cwd=folder)
            except subprocess.TimeoutExpired:
                what, run = "it hangs", None
            else:
                what = problem(program, run)
            if what:
                bad += 1
                print(f"{what}: {program} {options} {shown}\n  {run.stderr[-600:] if run else ''}")
    print(f"{runs} runs, {bad} bad")
    return bad != 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
