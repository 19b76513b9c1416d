#!/usr/bin/env python3
"""How a training step grows with ranks: gan_train under Open MPI's mpirun, on machines that are network namespaces here (machines.py),
beside what the model of scaling_model.py says from measured compute, latency and bandwidth.

  measure    what FILE does not have yet: compute, links, runs; prints nothing but what it does
  show       FILE as tables: the model beside the runs, bytes, what was hidden
  pair       two ranks on two cores beside two processes that know nothing of each other, and PyTorch DDP with gloo (--torch PYTHON)
  draw       FILE's compute and host costs to 64 ranks, as an SVG

usage: scaling.py measure FILE --gan-train FILE --pingpong FILE [--settings MBIT:MS,..] [--ranks 2,4] [--seconds S] [-- OPTION..]
       scaling.py show FILE
       scaling.py pair --gan-train FILE [--torch PYTHON] [--rounds N] [-- OPTION..]
       scaling.py draw FILE --svg FILE
Options behind -- are gan_train's. Ranks are one PoCL thread each, rank i on the i-th core, from the first again behind the last. Root.
"""
import argparse
import contextlib
import json
import os
import pathlib
import statistics
import struct
import subprocess
import sys
import tempfile
import time

import machines
import scaling_draw as drawing
import scaling_model as model

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "mpi"))
import ranks as launching

CORES = sorted(os.sched_getaffinity(0))
BUCKET = 256 << 10  # gan_train's
LARGE = 128 << 10   # pingpong's
MODEL = ["--model", "dcgan", "--data", "fashion-mnist"]
# A convolution's first kernels make the weights' gradient, which goes out while the others make the input's.
WEIGHTS = ("conv_wgrad", "conv_parts")
SETTINGS = "1000:0,1000:5,100:1"
ENVIRONMENT = dict(os.environ, **launching.ENVIRONMENT)
PINNED = ["sh", "-c", f'set -- {" ".join(map(str, CORES))} "$0" "$@"; i=$((OMPI_COMM_WORLD_RANK % {len(CORES)} + 1)); eval core=\\$$i; '
          f'shift {len(CORES)}; exec taskset -c $core "$@"']


def run(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT, timeout=600, **more)
    if done.returncode:
        sys.exit(f"scaling.py: {' '.join(command)}: {(done.stderr or done.stdout).strip()[-800:]}")
    return done.stdout


# ---- gan_train ----

def words_of(args, batch, shards, *more):
    return [args.gan_train, *MODEL, "--quiet", "--steps", str(args.steps), *args.options, "--batch", str(batch), "--shards", str(shards), *more]


def figures_of(path):
    its = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))["variants"][0]
    if its["status"] != "ok":
        sys.exit(f"scaling.py: {its['error']}")
    return its


def unconnected(args, n, folder):
    """Milliseconds of a step of each of n processes side by side, which share the work of a batch but nothing else."""
    files = [f"{folder}/alone{i}.json" for i in range(n)]
    words = [words_of(args, args.batch // n, max(1, args.shards // n), "--json", f) for f in files]
    started = [subprocess.Popen(["taskset", "-c", str(CORES[i % len(CORES)]), *w], env=ENVIRONMENT, stdout=subprocess.DEVNULL)
               for i, w in enumerate(words)]
    if any([p.wait() for p in started]):
        sys.exit("scaling.py: a process failed")
    return [figures_of(f)["step_ms"]["median"] for f in files]


def together(args, mpirun, n, folder, *more):
    """What n ranks say of a step."""
    path = f"{folder}/ranks.json"
    run([*mpirun, *PINNED, *words_of(args, args.batch, args.shards, "--json", path, *more)])
    its = figures_of(path)
    return {"ms": its["step_ms"]["median"], "bytes": its["ranks"]["gradient_bytes_per_step"], "hidden": its["ranks"]["hidden_share"],
            "sums_ms": its["ranks"]["communication_ms_per_step"], "exposed_ms": statistics.mean(r["exposed_ms"] for r in its["ranks"]["each"])}


# ---- when each gradient is there: of a trace ----

def parameter_bytes(state):
    """{name: bytes}, of a state's header."""
    data = pathlib.Path(state).read_bytes()
    header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
    return {n: row["data_offsets"][1] - row["data_offsets"][0] for n, row in header.items()
            if n.split(".")[0] in ("G", "D") and "running" not in n}


def last_of(spans, name):
    return [s for s in spans if s["name"] == name][-1]


def leaves_of(events, sizes, phase, network, step_us):
    """[bytes, share of the step's computation behind it] of each layer of the network, as the phase's backward comes by."""
    kernels = sorted((e for e in events if e.get("cat") == "kernel"), key=lambda e: e["ts"])
    launches = sorted(e["ts"] for e in events if e["ph"] == "s" and e.get("cat") == "launch")
    mine = [(at, k["dur"], k["name"]) for at, k in zip(launches, kernels) if k["args"]["phase"] == phase]
    phases = [e for e in events if e.get("cat") == "phase"]
    begun = last_of(phases, phase)["ts"]
    end = min((p["ts"] for p in phases if p["ts"] > begun), default=float("inf"))
    nodes = [e for e in events if e.get("cat") == "node" and begun <= e["ts"] < end]
    found = []
    for node, after in zip(nodes, [*nodes[1:], None]):
        layer = node.get("args", {}).get("layer", "")
        bytes_here = sum(size for name, size in sizes.items() if name.rsplit(".", 1)[0] == layer)
        until = after["ts"] if after else float("inf")
        if layer.split(".")[0] != network or not bytes_here:
            continue
        weights = [at for at, _, name in mine if node["ts"] <= at < until and name in WEIGHTS]
        ready = max(weights, default=None)
        later = sum(us for at, us, _ in mine if (at >= until if ready is None else at > ready))
        found.append([bytes_here, later / step_us])
    return found


def schedule(args, n, folder):
    """Of D's sum and of G's, in a process that has the work of one rank of n."""
    trace, state = f"{folder}/trace.json", f"{folder}/state"
    words = words_of(args, args.batch // n, max(1, args.shards // n), "--trace", trace, "--save", state, "--steps", "3")
    run(["taskset", "-c", str(CORES[0]), *words])
    events = json.loads(pathlib.Path(trace).read_text(encoding="utf-8"))
    events = events["traceEvents"] if isinstance(events, dict) else events
    kernels = sorted((e for e in events if e.get("cat") == "kernel"), key=lambda e: e["ts"])
    steps = [i for i, k in enumerate(kernels) if k["args"]["phase"] == "G step"]
    before = [i for i in steps if i + 1 < len(kernels) and kernels[i + 1]["args"]["phase"] != "G step"][-1]
    step_us = sum(k["dur"] for k in kernels[before + 1 :])
    sizes = parameter_bytes(state)
    return [leaves_of(events, sizes, phase, network, step_us) for phase, network in (("D fake backward", "D"), ("G backward", "G"))]


# ---- measuring ----

class Book:
    """What was measured, in a file that each figure is added to."""

    def __init__(self, path, seconds):
        self.path, self.until = pathlib.Path(path), time.monotonic() + seconds
        self.has = json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else {}

    def get(self, key, measure):
        if key not in self.has:
            if time.monotonic() > self.until:
                sys.exit("scaling.py: time is up; the rest is for another call")
            print(key, flush=True)
            self.has[key] = measure()
            self.path.write_text(json.dumps(self.has, indent=1), encoding="utf-8")
        return self.has[key]


def lab_of(setting, n):
    rate, delay = map(float, setting.split(":"))
    return machines.Machines(n, rate, delay)


def measure(args):
    book = Book(args.file, args.seconds)
    made = {"batch": args.batch, "shards": args.shards, "options": args.options, "cores": len(CORES)}
    if book.get("made", lambda: made) != made:
        sys.exit(f"scaling.py: {args.file} is of {book.has['made']}")
    with tempfile.TemporaryDirectory() as folder:
        for n in args.ranks:
            book.get(f"schedule {n}", lambda n=n: schedule(args, n, folder))
            book.get(f"compute {n}", lambda n=n: unconnected(args, n, folder))
        for setting in ["0:0", *args.settings.split(",")]:
            for n in args.ranks if setting != "0:0" else args.ranks[:1]:
                wanted = [f"run {setting} {n}", f"behind {setting} {n}", f"link {setting}"]
                if all(key in book.has for key in wanted):
                    continue
                with lab_of(setting, n) as lab:
                    mpirun = lab.mpirun(n)
                    book.get(f"link {setting}", lambda m=mpirun: json.loads(run([*m, *PINNED, args.pingpong])))
                    book.get(f"run {setting} {n}", lambda m=mpirun, n=n: together(args, m, n, folder))
                    book.get(f"behind {setting} {n}", lambda m=mpirun, n=n: together(args, m, n, folder, "--bucket", "0"))


# ---- the model of what was measured ----

def compute_s(has, n):
    return statistics.mean(has[f"compute {n}"]) / 1e3


def sums_of(has, n, compute):
    return [[model.Leaf(size, share * compute) for size, share in leaves] for leaves in has[f"schedule {n}"]]


def per_core(n):
    return max(1, n / len(CORES))


def host_cost(has, n):
    """Seconds a byte: of what ranks without a limit take longer than processes that send nothing."""
    out = sum(model.sent(size, n) for leaves in has[f"schedule {n}"] for size, _ in leaves)
    return max(0.0, (has[f"run 0:0 {n}"]["ms"] / 1e3 - compute_s(has, n)) / out / per_core(n))


def link_of(has, setting, host):
    its = has[f"link {setting}"]
    large = its["large_ms"] / 1e3 - LARGE / its["bytes_per_s"]
    return model.Link(its["few_ms"] / 1e3, max(its["few_ms"] / 1e3, large), its["bytes_per_s"], host)


def rows_of(has):
    settings = dict.fromkeys(key.split()[1] for key in has if key.startswith("run"))
    numbers = sorted(int(key.split()[1]) for key in has if key.startswith("compute"))
    host = host_cost(has, numbers[0])
    for setting in settings:
        for n in numbers:
            if f"run {setting} {n}" not in has:
                continue
            compute, link = compute_s(has, n), link_of(has, setting, host)
            sums = sums_of(has, n, compute)
            yield {"setting": setting, "ranks": n, "compute": compute, "run": has[f"run {setting} {n}"], "behind": has.get(f"behind {setting} {n}"),
                   "gradients": sum(leaf.bytes for leaves in sums for leaf in leaves),
                   "model": model.step(compute, sums, n, link, BUCKET, per_core(n)),
                   "model_behind": model.step(compute, sums, n, link, BUCKET, per_core(n), overlap=False)}


def show(args):
    has = json.loads(pathlib.Path(args.file).read_text(encoding="utf-8"))
    for key in has:
        if key.startswith(("compute", "link")):
            print(key, has[key])
    print(f"host {host_cost(has, min(int(k.split()[1]) for k in has if k.startswith('compute'))) * 1e9:.3f} ns a byte")
    print("Mbit/s:ms  ranks  compute   step (model, off)      behind (model, off)   hidden: own, by waits, by wall, model  bytes a step")
    for row in rows_of(has):
        c, r, b = row["compute"] * 1e3, row["run"], row["behind"]
        said, whole, waits = (x * 1e3 for x in row["model"])
        late = row["model_behind"][0] * 1e3
        exact = r["bytes"] == 2 * (row["ranks"] - 1) * row["gradients"]
        behind = f"{b['ms']:8.1f} ({late:8.1f}, {100 * (late / b['ms'] - 1):+5.1f}%)" if b else " " * 26
        # Without overlap all of the sums' time is waited for: by how much of it is the step shorter?
        by = f"{1 - r['exposed_ms'] / b['exposed_ms']:6.3f} {(b['ms'] - r['ms']) / b['exposed_ms']:6.3f}" if b else "     -      -"
        print(f"{row['setting']:10s} {row['ranks']:4d} {c:9.1f}  {r['ms']:8.1f} ({said:8.1f}, {100 * (said / r['ms'] - 1):+5.1f}%)  {behind}  "
              f"{r['hidden']:6.3f} {by} {1 - waits / whole:6.3f}   {r['bytes']:.0f} {'exact' if exact else 'OTHERS THAN 2(R-1) GRADIENTS'}")


# ---- two ranks, two cores ----

def ddp(args, connected):
    """Milliseconds of two processes of PyTorch."""
    peer = str(pathlib.Path(__file__).parent / "peers" / "gan_ddp.py")
    words = [args.torch, peer, "--batch", str(args.batch // 2), "--steps", str(args.steps), "--ngf", "64", "--ndf", "64"]
    words += [] if connected else ["--unconnected"]
    started = [subprocess.Popen(["taskset", "-c", str(CORES[i]), *words, "--rank", str(i)], stdout=subprocess.PIPE, text=True) for i in range(2)]
    return statistics.mean(json.loads(p.communicate()[0])["step_ms"]["median"] for p in started)


def pair(args):
    mpirun = [*launching.find("Open MPI"), "--bind-to", "none", "-np", "2"]
    def joined_ranks(folder):
        its = together(args, mpirun, 2, folder)
        print(f"  sums take {its['sums_ms']:.1f} ms of a step, {its['exposed_ms']:.1f} ms of it while the device waits")
        return its["ms"]

    ways = {"clgrad": (lambda f: statistics.mean(unconnected(args, 2, f)), joined_ranks)}
    if args.torch:
        ways["torch"] = (lambda f: ddp(args, False), lambda f: ddp(args, True))
    rounds = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(args.rounds):
            for name, (apart, joined) in ways.items():
                rounds[name].append((apart(folder), joined(folder)))
                print(f"{name}: unconnected {rounds[name][-1][0]:.1f} ms, together {rounds[name][-1][1]:.1f} ms", flush=True)
    for name, times in rounds.items():
        print(f"{name}: {statistics.median(a / b for a, b in times):.3f} of two unconnected processes")


# ---- to 64 ranks ----

FASTER = 100  # a GPU beside a core of this machine


def draw(args):
    """A shard was measured; 64 of them are cut over the ranks, or each rank has one."""
    has = json.loads(pathlib.Path(args.file).read_text(encoding="utf-8"))
    n = min(int(key.split()[1]) for key in has if key.startswith("compute"))
    shards = max(1, has["made"]["shards"] // n)
    link = link_of(has, "0:0", host_cost(has, n))
    compute, images = compute_s(has, n), has["made"]["batch"] // n // shards
    panels = []
    for name, by in (("a core", 1), (f"a device {FASTER} times as fast", 1 / FASTER)):
        case = drawing.Case(compute * by / shards, model.scaled(sums_of(has, n, compute), by), link.latency, link.large, link.host if by == 1 else 0, BUCKET)
        for what, shards_of in ((f"64 shards, {name}", lambda r: 64 // r), (f"a shard a rank, {name}", lambda r: 1)):
            table = drawing.rows(case, images, shards_of)
            panels.append((what, table))
            print(what + ":", *(f"{text} pays to {drawing.pays_to(table, key)} ranks;" for key, text in drawing.RATES.items()))
            for row in table:
                print(f"  {row['ranks']:2d} ranks" + "".join(f" {row[key] / row['ideal']:6.3f}" for key in drawing.RATES))
    pathlib.Path(args.svg).write_text(drawing.picture(panels), encoding="utf-8")


def main():
    own, options = (sys.argv[1:], [])
    if "--" in own:
        at = own.index("--")
        own, options = own[:at], own[at + 1 :]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["measure", "show", "pair", "draw"])
    parser.add_argument("file", nargs="?")
    parser.add_argument("--gan-train")
    parser.add_argument("--pingpong")
    parser.add_argument("--settings", default=SETTINGS)
    parser.add_argument("--ranks", default="2,4", type=lambda s: [int(n) for n in s.split(",")])
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--torch")
    parser.add_argument("--svg")
    args = parser.parse_args(own)
    args.options = options
    {"measure": measure, "show": show, "pair": pair, "draw": draw}[args.what](args)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
