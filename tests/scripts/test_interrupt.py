#!/usr/bin/env python3
"""Signals at random instants of a training: it ends with 128 + the signal's number, every file is whole or not there, nothing else is
left, and --resume goes on to the bits of a run that nobody disturbed.

usage: test_interrupt.py GAN_TRAIN INSTANTS
"""
import json
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import gan_runs

FILES = {"s.st", "r.json", "p.png"}
OUTPUTS = ["--save", "s.st", "--json", "r.json", "--samples", "p.png"]
ENDLESS = ["--steps", "1000000"]
NOTHING = {}


def start(program, *words, folder, ignoring=False):
    before = (lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) if ignoring else gan_runs.listen_to_interrupts
    return subprocess.Popen([program, *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=before)


def end(process, seconds=900):
    """Its status and how long it took."""
    begun = time.monotonic()
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return process.returncode, time.monotonic() - begun


def startup(program, folder):
    """Seconds until steps are made, once kernels are compiled."""
    times = []
    for _ in range(3):
        begun = time.monotonic()
        subprocess.run([program, *gan_runs.SMALL, "--steps", "1"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        times.append(time.monotonic() - begun)
    return max(times[1:])


def check_files(folder):
    """All of them, whole and of one step, or none. The step, or None."""
    there = {p.name for p in folder.iterdir()}
    assert there in (set(), FILES), there
    if not there:
        return None
    step = gan_runs.step_of(folder / "s.st")
    (variant,) = json.loads((folder / "r.json").read_text())["variants"]
    assert step > 0 and variant["status"] == "interrupted" and len(variant["losses"]["g"]) == step, (step, variant["status"])
    assert gan_runs.is_whole_png(folder / "p.png")
    return step


def interrupt(program, folder, name, which, ready, training):
    """Its step and its state; NOTHING when it ended before the first step, which one that trains may not."""
    work = folder / name
    work.mkdir()
    # Its first save says that it trains, however long it took to start.
    process = start(program, *gan_runs.SMALL, *ENDLESS, *OUTPUTS, *(["--save-every", "200"] if training else []), folder=work)
    while training and process.poll() is None and not (work / "s.st").exists():
        time.sleep(0.01)
    time.sleep(random.uniform(0, 1 if training else 1.5 * ready))
    process.send_signal(which)
    status, _ = end(process)
    step = check_files(work)
    # Before main it dies of the signal; a shell counts that the same.
    assert status == 128 + which or (status == -which and step is None), (which, status, step)
    assert step or not training, "the state is lost"
    print(f"{which.name}: status {status}, step {step}")
    return {step: work / "s.st"} if step else NOTHING


def interrupt_at_instants(program, folder, instants, ready):
    """Ctrl-C at every instant, four of five while it trains, the others while it starts; the other signals beside: {step: state}."""
    states = {}
    for number in range(instants):
        states |= interrupt(program, folder, str(number), signal.SIGINT, ready, training=number % 5 != 1)
    for which in (signal.SIGTERM, signal.SIGHUP):
        for training in (False, True):
            states |= interrupt(program, folder, f"{which.name} {training}", which, ready, training)
    print(f"{len(states)} states of {instants} instants of SIGINT and 4 of other signals")
    return states


def all_lead_to_the_same(program, folder, states):
    last = max(states) + 3
    common = [program, *gan_runs.SMALL]
    subprocess.run([*common, "--steps", str(last), "--save", "whole.st"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    for step, state in states.items():
        going_on = ["--steps", str(last - step), "--resume", str(state), "--save", str(state)]
        subprocess.run([*common, *going_on], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        assert state.read_bytes() == (folder / "whole.st").read_bytes(), f"from step {step} it ended elsewhere"


def second_signal_is_not_waited_for(program, folder, ready):
    """Steps of many seconds."""
    slow = ["--data", "ring", "--model", "mlp", "--batch", "8192", "--hidden", "4096", "--steps", "1000", "--quiet"]
    process = start(program, *slow, folder=folder)
    time.sleep(ready + 1)
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    status, seconds = end(process)
    assert status in (130, 143) and seconds < 2 + ready, (status, seconds)


def ignored_stays_ignored(program, folder, ready):
    process = start(program, *gan_runs.SMALL, *ENDLESS, folder=folder, ignoring=True)
    time.sleep(2 * ready + 0.5)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None, "SIGINT was ignored when it began, and ended it"
    process.terminate()
    assert end(process)[0] == 143


def comparison_ends_too(program, folder, ready):
    work = folder / "compare"
    work.mkdir()
    process = start(program, *gan_runs.SMALL, *ENDLESS, "--variants", "no_grad,detach", "--json", "r.json", folder=work)
    time.sleep(2 * ready + 0.5)
    process.send_signal(signal.SIGTERM)
    assert end(process)[0] == 143
    (variant,) = json.loads((work / "r.json").read_text())["variants"]
    assert variant["name"] == "detach" and variant["status"] == "interrupted"


def main(program, instants):
    random.seed(9)
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        ready = startup(program, folder)
        states = interrupt_at_instants(program, folder, instants, ready)
        all_lead_to_the_same(program, folder, states)
        second_signal_is_not_waited_for(program, folder, ready)
        ignored_stays_ignored(program, folder, ready)
        comparison_ends_too(program, folder, ready)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(str(pathlib.Path(sys.argv[1]).resolve()), int(sys.argv[2]))
