#!/usr/bin/env python3
"""gan_train on several ranks: the weights, losses and running statistics of one process, to the bit; bytes and memory as said; states
that go on with another number of ranks; ranks that die or stop end the run, and what was saved is whole.

usage: test_gan_ranks.py GAN_TRAIN REPLICA WITNESS [every | whole | defaults [batch=N]] [KILLS [RANKS]]

"every": more variants, for more steps. "whole": all of these on all numbers of ranks. "defaults": so too, of gan_train's own sizes, which
takes hours of a core; a smaller batch takes less. KILLS: ranks that are killed, of RANKS (2) that train together; half as many go on. Of the bits, only
the runs are made whose name the expression $TEST_PART finds.
"""
import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

import ranks

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "scripts"))
import gan_runs

failures = []
RING = ["--data", "ring", "--batch", "32", "--hidden", "32"]
IMAGES = ["--data", "fashion-mnist", "--batch", "16"]
MODELS = {
    "mlp": [*RING, "--model", "mlp"],
    "wgan_gp": [*RING, "--model", "wgan_gp", "--critic-steps", "2"],
    "mlp of images": [*IMAGES, "--model", "mlp", "--hidden", "32"],
    "dcgan": [*IMAGES, "--model", "dcgan", "--image-size", "8", "--ngf", "4", "--ndf", "4", "--conditional"],
    "dcgan, synchronised": [*IMAGES, "--model", "dcgan", "--image-size", "16", "--ngf", "4", "--ndf", "4", "--sync-batch-norm"],
}
SMALL = [*MODELS["mlp"], "--shards", "8", "--quiet"]
LAST = 100  # step of the run that nobody disturbs
# Of these every variant has the bits of "detach", and with --remat the same.
SAME = ("detach", "retain_graph", "inputs", "checkpoint")
# Variants, and numbers of ranks. A start of a rank takes longer than its steps: in "some" 4 shards are enough for ranks of one and of
# several, and in "every" each variant meets two numbers of ranks.
SOME = {
    "mlp": [("retain_graph --bucket 0", (2,)), ("inputs", (4,)), ("checkpoint", (2,)), ("polluted", (2,)), ("one_stage", (2,))],
    "wgan_gp": [("detach", (2,))],
    "dcgan": [("checkpoint --remat", (2,))],
    "dcgan, synchronised": [("detach", (4,)), ("checkpoint --remat", (1, 2))],
}
EVERY = {
    model: [
        ("detach", (1, 2, 4, 8)), ("retain_graph", (2,)), ("inputs", (4,)), ("checkpoint", (8,)),
        ("detach --remat", (2,)), ("retain_graph --remat", (8,)), ("inputs --remat", (2,)), ("checkpoint --remat", (4,)),
    ]
    for model in ("mlp of images", "dcgan", "dcgan, synchronised")
}


def check(problems, what):
    print("ok  " if not problems else "FAIL", what, *problems, flush=True)
    failures.extend(problems)


class Runs:
    def __init__(self, program, witness, mpirun, folder, timeout):
        self.program, self.witness, self.mpirun, self.folder, self.timeout = program, witness, mpirun, folder, timeout

    def path(self, name):
        return str(self.folder / name)

    def run(self, n, *words):
        """Status, output, errors; n = 0: without mpirun."""
        return ranks.run(self.mpirun, n, [self.program, *words], timeout=self.timeout)

    def figures(self, n, *words):
        """Of the variant, with the state as "state"; {} where the run failed."""
        for name in ("figures.json", "state"):
            (self.folder / name).unlink(missing_ok=True)
        status, _, err = self.run(n, *words, "--json", self.path("figures.json"), "--save", self.path("state"))
        if status:
            print(err.strip()[:800])
            return {}
        found = json.loads((self.folder / "figures.json").read_text(encoding="utf-8"))["variants"][0]
        return {**found, "state": (self.folder / "state").read_bytes()}

    def state(self, n, *words):
        return self.figures(n, *words).get("state")


def gradient_bytes(state, network):
    """Of the network's parameters, which are in the state beside running statistics."""
    rows = gan_runs.read_state(state)[0].items()
    mine = [row["data_offsets"] for name, row in rows if name.split(".")[0] in (network, network + "_labels") and "running" not in name]
    return sum(end - begin for begin, end in mine)


def figures_problems(its, n, gradient):
    """What the ranks say of themselves."""
    problems = []
    if its["count"] != n or its["gradient_bytes_per_step"] != 2 * (n - 1) * gradient:
        problems.append(f"{its['gradient_bytes_per_step']} bytes a step for gradients of {gradient}")
    if not 0 <= its["hidden_share"] <= 1:
        problems.append(f"hidden {its['hidden_share']}")
    for r, each in enumerate(its["each"]):
        for m in ("live", "reserved"):
            if each[f"predicted_peak_{m}_bytes"] != each[f"peak_{m}_bytes"]:
                problems.append(f"rank {r}'s {m} memory is not its plan's: {each}")
    return problems


def everywhere(models):
    """Rows of all variants on all numbers of ranks."""
    return {name: [(variant + remat, (8, 2, 0, 1, 4)) for remat in ("", " --remat") for variant in SAME] for name in models}


def defaults(batch):
    """The models of gan_train's own sizes."""
    models = {"mlp": [], "dcgan": [], "dcgan, synchronised": ["--sync-batch-norm"]}
    images = ["--data", "fashion-mnist", "--batch", batch]
    return {f"{name} of batch {batch}": [*images, "--model", name.split(",")[0], *more] for name, more in models.items()}


def same_bits(runs, rows, steps, shards=8):
    """Rows: of each model its variants, and the numbers of ranks."""
    references = {}
    for model, variants in rows.items():
        if "fashion-mnist" in MODELS[model] and not pathlib.Path("/usr/share/datasets/fashion-mnist").is_dir():
            continue
        for variant, numbers in variants:
            command = [*MODELS[model], "--shards", str(shards), "--steps", str(steps), "--quiet", "--variant"]
            alike = "detach" if variant.split()[0] in SAME else variant
            for n in numbers:
                what = f"{model} {variant}, {n or 'no'} ranks"
                if not re.search(os.environ.get("TEST_PART", ""), what):
                    continue
                if (model, alike) not in references:
                    references[model, alike] = runs.figures(0, *command, *alike.split())
                alone, found = references[model, alike], runs.figures(n, *command, *variant.split())
                problems = [f"{key}: others than one process's" for key in ("state", "losses") if not found or found.get(key) != alone.get(key)]
                if found and n > 1:
                    g, d = (gradient_bytes(runs.path("state"), network) for network in ("G", "D"))
                    sums = g * (2 if variant == "polluted" else 1) + d * (2 if model == "wgan_gp" else 1)
                    problems += figures_problems(found["ranks"], n, sums)
                check(problems, f"{what}: {hashlib.md5(found.get('state', b'')).hexdigest()}")


def states(runs):
    whole = runs.state(0, *SMALL, "--steps", "8")
    half = runs.path("half")
    pathlib.Path(half).write_bytes(runs.state(2, *SMALL, "--steps", "4"))
    for n in (0, 4):
        rest = runs.state(n, *SMALL, "--steps", "4", "--resume", half)
        check([] if rest == whole else ["other bits"], f"a state of 2 ranks goes on, on {n or 'no'} ranks, as if nothing had been")
    status, _, err = runs.run(2, *SMALL, "--shards", "4", "--steps", "4", "--resume", half)
    check([] if status and err.count("shards 8") == 1 else [err], "another number of shards is one line")


def page_problems(page, figures):
    text = pathlib.Path(page).read_text(encoding="utf-8")
    found = re.findall(r'<data value="([^"]*)" data-from="([^"]*/ranks/[^"]*)"', text)
    problems = [] if len(found) == 2 + 2 * 7 and 'id="ranks-table"' in text else [f"{len(found)} figures"]
    for value, pointer in found:
        at = figures
        for word in pointer.split("/")[1:]:
            at = at[int(word)] if isinstance(at, list) else at[word]
        if abs(float(value) - at) > 1e-6 * max(abs(at), 1e-9):
            problems.append(f"{pointer}: {value}, not {at}")
    return problems


def outputs(runs):
    """Rank 0 writes what one process would."""
    page, picture, figures = runs.path("page.html"), runs.path("picture.png"), runs.path("figures.json")
    status, out, err = runs.run(2, *SMALL[:-1], "--steps", "3", "--report", page, "--samples", picture, "--json", figures)
    problems = [] if status == 0 and out.count("8 shards on 2 ranks") == 1 else [out, err]
    problems += [name for name in (page, picture) if not os.path.exists(name)]
    check(problems, "2 ranks: a table, a page and a picture, once")
    if not problems:
        check(page_problems(page, json.loads(pathlib.Path(figures).read_text(encoding="utf-8"))), "the page has the JSON's figures of ranks")


def refusals(runs):
    for n, words, line in (
        (3, SMALL, "3 ranks do not share 8 shards"),
        (2, [*SMALL, "--compare"], "--compare measures one process"),
        (2, [*SMALL, "--no-such"], "unknown option"),
        (2, ["--data", "/nonexistent", "--quiet"], "nonexistent"),
        (2, [*SMALL, "--save", "/nonexistent/state"], "cannot write /nonexistent/state"),
        (2, [*SMALL, "--variant", "naive"], "retain_graph"),
    ):
        status, _, err = runs.run(n, *words, "--steps", "2")
        told_by = [text for text in err.splitlines() if text.startswith("gan_train:")]
        check([] if status and len(told_by) == 1 and line in told_by[0] else [err], f"{n} ranks: \"{line}\"")


def other_mpirun(runs):
    """Each process would be a whole training to itself."""
    theirs = "PMI_SIZE" if "--oversubscribe" in runs.mpirun else "OMPI_COMM_WORLD_SIZE"
    status, _, err = ranks.run(runs.mpirun, 0, [runs.program, *SMALL, "--steps", "2"], {theirs: "2"})
    check([] if status and "2 ranks by the mpirun of another MPI" in err else [err], "the mpirun of another MPI")


def witnessed(runs, n=4):
    """Each rank between an independent witness and OpenCL: no object is left, and the peak is the one that its plan said."""
    env = {"LD_PRELOAD": ":".join(filter(None, [runs.witness, os.environ.get("LD_PRELOAD")])), "CLWITNESS_OUT": runs.path("witness.%p")}
    command = [runs.program, *SMALL, "--steps", "3", "--json", runs.path("figures.json")]
    status, _, err = ranks.run(runs.mpirun, n, command, env)
    if status:
        return check([err], f"{n} ranks and a witness")
    each = json.loads((runs.folder / "figures.json").read_text(encoding="utf-8"))["variants"][0]["ranks"]["each"]
    seen = [json.loads(path.read_text(encoding="utf-8")) for path in runs.folder.glob("witness.*")]
    left = [(w["live_bytes"], w["live_objects"]) for w in seen if w["live_bytes"] or any(w["live_objects"].values())]
    peaks, told = sorted(w["peak_bytes"] for w in seen), sorted(rank["predicted_peak_reserved_bytes"] for rank in each)
    check(left + ([] if peaks == told else [f"peaks {peaks}, planned {told}"]), f"{n} ranks and a witness: nothing left, peaks {peaks}")


# ---- ranks that die, and that stop ----

def pids(program, mark):
    """Of the ranks that were started with the mark in their environment."""
    found = []
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = pathlib.Path(f"/proc/{p}/cmdline").read_bytes().split(b"\0")
            env = pathlib.Path(f"/proc/{p}/environ").read_bytes()
        except OSError:
            continue
        if words[0].decode() == program and mark.encode() in env:
            found.append(int(p))
    return sorted(found)


@functools.cache
def undisturbed(runs):
    return runs.state(0, *SMALL, "--steps", str(LAST))


def wait_for_step(kept, step, job):
    while job.poll() is None and not (kept.exists() and gan_runs.step_of(kept) >= step):
        time.sleep(0.005)


def hit(runs, kept, how, step, n, timeout):
    """Ranks that train until one of them, when the state of a step is saved, is hit: status, all lines, seconds that all took to end."""
    mark = f"TEST_RANKS={kept}"
    env = dict(os.environ, **ranks.ENVIRONMENT, TEST_RANKS=str(kept))
    endless = ["--steps", "1000000", "--save-every", "2", "--save", str(kept), "--rank-timeout", str(timeout)]
    command = [*runs.mpirun, "-np", str(n), runs.program, *SMALL, *endless]
    kept.unlink(missing_ok=True)
    # Hydra tells of a rank that died on standard output.
    job = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_for_step(kept, step, job)
        time.sleep(random.uniform(0, 0.02))
        alive = pids(runs.program, mark)
        assert alive, "the ranks ended by themselves: " + job.communicate()[0]
        os.kill(random.choice(alive), how)
        begun = time.monotonic()
        lines, _ = job.communicate(timeout=300)
        return job.returncode, lines, time.monotonic() - begun
    finally:
        if job.poll() is None:
            job.kill()


def resumes(runs, kept, n, seen, whole):
    """From the state, with half of the ranks, to the bits of the run that nobody disturbed. Each step once."""
    state, step = kept.read_bytes(), gan_runs.step_of(kept)
    if seen.get(step, state) != state:
        return [f"step {step} has other bits than in the run before"]
    if step not in seen and step < LAST:
        rest = runs.state(n // 2, *SMALL, "--steps", str(LAST - step), "--resume", str(kept))
        if rest != whole:
            return [f"from step {step} it ended elsewhere"]
    seen[step] = state
    return []


def killed(runs, kills, n):
    whole = undisturbed(runs)
    seen, slowest = {}, 0
    for i in range(kills):
        kept = runs.folder / "kept"
        status, lines, seconds = hit(runs, kept, signal.SIGKILL, random.randint(2, 60), n, 60)
        slowest = max(slowest, seconds)
        problems = [] if status and lines.strip() else [f"status {status}: {lines}"]
        check(problems + resumes(runs, kept, n, seen, whole), f"kill -9, instant {i}: all end, after {seconds:.1f} s")
    print(f"{kills} kills of {n} ranks, states of {len(seen)} steps; the slowest end took {slowest:.1f} s")


def interrupted(runs, n=2):
    """A signal to one rank ends all of them behind the same step."""
    kept = runs.folder / "kept"
    status, text, _ = hit(runs, kept, signal.SIGTERM, 20, n, 60)
    lines = [line for line in text.splitlines() if line.startswith("gan_train:")]
    problems = [] if status == 128 + signal.SIGTERM and len(lines) == 1 and "ended with the step" in lines[0] else [f"status {status}: {text}"]
    check(problems + resumes(runs, kept, n, {}, undisturbed(runs)), "SIGTERM to one rank: all end behind one step")


def stopped(runs):
    status, text, seconds = hit(runs, runs.folder / "of the stopped", signal.SIGSTOP, 2, 2, 5)
    lines = [line for line in text.splitlines() if "has been silent for 5 seconds" in line]
    check([] if status and len(lines) == 1 else [f"status {status}: {text}"], f"a rank that is stopped: all end, after {seconds:.1f} s")


def some(runs):
    states(runs)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        sleeps = pool.submit(stopped, runs)
        outputs(runs)
        refusals(runs)
        other_mpirun(runs)
        sleeps.result()
    witnessed(runs)
    interrupted(runs)
    same_bits(runs, SOME, 3, 4)


def main(program, replica, witness, mode, batch, kills, of_ranks):
    library = subprocess.run([replica, "version"], capture_output=True, text=True, check=True).stdout.strip()
    mpirun = ranks.find(library)
    print(library.splitlines()[0])
    random.seed(9)
    with tempfile.TemporaryDirectory() as name:
        runs = Runs(program, witness, mpirun, pathlib.Path(name), 3600 if mode == "defaults" else 900)
        if mode == "defaults":
            MODELS.update(defaults(batch))
            same_bits(runs, everywhere(defaults(batch)), 20)
        elif mode == "whole":
            same_bits(runs, everywhere(EVERY), 20)
        elif mode == "every":
            same_bits(runs, EVERY, 20)
        elif not kills:
            some(runs)
            kills = 2
        if kills:
            killed(runs, kills, of_ranks)
    print(f"{len(failures)} failed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    words = sys.argv[4:]
    numbers = [int(word) for word in words if word.isdigit()]
    mode = next((word for word in words if word in ("every", "whole", "defaults")), None)
    batch = next((word.split("=")[1] for word in words if word.startswith("batch=")), "128")
    main(*map(os.path.abspath, sys.argv[1:4]), mode, batch, *(numbers + [0, 2][len(numbers):])[:2])
