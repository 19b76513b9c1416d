#!/usr/bin/env python3
"""clgrad beside PyTorch, JAX and OpenBLAS on this machine, in one go: products, passes, convolutions, training steps.

usage: compare.py [--isa avx2] [--only PIECE]... [--rounds N] [--python FILE] [--build DIR] [--out DIR] [--table]
       compare.py --markdown DIR... [--into FILE]

Each PIECE takes about a minute and leaves a JSON in --out (default BUILD/compare-ISA), so that a run can be made in parts; the
table at the end is of all that is there, --table alone prints it. By default they are products passes convs mlp dcgan dcgan64;
variants, variants-dcgan: every variant of a step. Other ops: ops.py.
PyTorch (1 thread and all, the faster counts) and JAX are those of --python, and left out where it has none.
--isa avx2 holds everybody to AVX2: ours by hostcpu-run, the others by their own variables. Otherwise whatever of these the
environment sets is removed. --markdown prints tables with columns for each folder, or with --into puts them in the place of
FILE's, as docs/performance.md has them: behind a line <!-- NAME -->, to the next empty one.
"""
import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
HELD = {
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2",
             "XLA_FLAGS": "--xla_cpu_max_isa=AVX2", "OPENBLAS_CORETYPE": "Haswell"},
    "native": {},
}
CLEARED = [*HELD["avx2"], "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"]
# Else the system runs both of PyTorch's threads on one core now and then, and glibc gives it every large tensor back: they would
# be timed with its page faults.
STEADY = f"env OMP_PROC_BIND=true MALLOC_MMAP_THRESHOLD_={1 << 32} MALLOC_TRIM_THRESHOLD_={1 << 33}"
NAMES = {"torch": "PyTorch", "jax": "JAX"}
NINE = ["nt:128x256x784", "nt:128x256x256", "nt:128x784x256", "nn:128x256x256", "nn:128x256x784", "nn:128x784x256",
        "tn:256x256x128", "tn:256x784x128", "tn:784x256x128"]
SQUARES = ["nn:512x512x512", "nn:1024x1024x1024"]
# model, its options, steps, rounds, variants
STEPS = {"mlp": ("mlp", [], 60, 4, "detach"), "dcgan": ("dcgan", [], 12, 3, "detach"),
         "dcgan64": ("dcgan", ["--width", "64"], 3, 2, "detach"), "variants": ("mlp", [], 60, 1, "all"),
         "variants-dcgan": ("dcgan", [], 8, 1, "all")}
USUAL = ["products", "passes", "convs", "mlp", "dcgan", "dcgan64"]
PIECES = ["products", "passes", "convs", *STEPS]


def only(names):
    return [word for name in names.split() for word in ("--only", "=" + name)]


PROGRAMS = {"products": ["product", "--rounds", "7", *NINE, *SQUARES], "convs": ["conv", "--rounds", "7"],
            "passes": ["ops", "--forward", "--layout", "flat", *only("relu tanh exp")]}


# ---- running ----

def environment(isa):
    kept = {k: v for k, v in os.environ.items() if k not in CLEARED}
    return kept | HELD[isa]


def peers(args, env, modules=("torch", "jax"), threads=None):
    """The options that name the peers which --python has."""
    rounds = f"{STEADY} {args.python} {HERE}/peers/rounds.py"
    threads = threads or sorted({1, len(os.sched_getaffinity(0))})
    options = []
    all_commands = {"torch": [f"{rounds} torch {t}" for t in threads], "jax": [f"{rounds} jax"]}
    for module in modules:
        if subprocess.run([args.python, "-c", f"import {module}"], env=env, capture_output=True, check=False).returncode == 0:
            options += [o for c in all_commands[module] for o in ("--peer", c)]
        else:
            print(f"compare.py: {args.python} has no {module}: left out", file=sys.stderr)
    return options


def under(args):
    """Words before a program of ours."""
    wrap = [f"{HERE}/../tools/hostcpu-run", os.path.join(args.build, "tests/libhostcpu.so"), "haswell"]
    return wrap if args.isa == "avx2" else []


def run_piece(piece, args):
    env = environment(args.isa)
    path = os.path.join(args.out, piece + ".json")
    cpus = len(os.sched_getaffinity(0))
    if piece in STEPS:
        model, sizes, steps, usual, variants = STEPS[piece]
        env |= {"PYTHON": args.python, "OURS_UNDER": " ".join(under(args))}
        threads = " ".join(str(t) for t in sorted({1, cpus}))
        command = [f"{HERE}/bench_gan.sh", "--model", model, *sizes, "--threads", threads, "--json", path,
                   os.path.join(args.build, "apps/gan_train/gan_train"), str(args.rounds or usual), str(steps), variants]
    else:
        env["OPENBLAS_NUM_THREADS"] = str(cpus)
        program, *options = PROGRAMS[piece]
        command = [*under(args), os.path.join(args.build, "tests/bench/bench_" + program), *options, "--json", path]
        command += (["--rounds", str(args.rounds)] if args.rounds else []) + peers(args, env)
    print(f"--- {piece}", flush=True)
    if subprocess.run(command, env=env, check=False).returncode != 0:
        sys.exit(f"compare.py: {piece} failed: {' '.join(command)}")


def cpu_name():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


# ---- reading: rows of (name, ours, {library: theirs}, yardsticks), in microseconds or milliseconds ----

def library_times(peers_us):
    """The fastest of each library's threads."""
    out = {}
    for key, value in peers_us.items():
        library = key.split("-")[0]
        out[library] = min(value, out.get(library, value))
    return out


def load(folder):
    """{piece: JSON} of what is in a folder."""
    out = {}
    for piece in PIECES:
        path = os.path.join(folder, piece + ".json")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                out[piece] = json.load(file)
    return out


def rows_of(piece, data):
    """[(name, work in operations or bytes or 0, ours in us, {library: us}, {yardstick: our share of it})]"""
    if piece == "products":
        return [(p["product"], p["flops"], p["us"], library_times(p["peers_us"]) | {"OpenBLAS": p["openblas_us"]}, {})
                for p in data["products"]]
    if piece == "passes":
        sizes = {"cache": "1 MB", "memory": "64 MB"}
        return [(f"{p['op']}, {sizes[p['size']]}", p["gb_per_s"] * p["us"] * 1e3, p["us"], library_times(p["peers_us"]),
                 {"memcpy": p["of_memcpy"], "triad": p["of_triad"]}) for p in data["ops"]]
    if piece == "convs":
        return [(f"{p['layer']} {p['c']}, {p['o']} {p['pass']}", p["flops"], p["us"], library_times(p["peers_us"]), {})
                for p in data["convolutions"] if p["times"]]
    rows = []
    for variant, rounds in data["ms"].items():
        times = {k: statistics.median(v) * 1e3 for k, v in rounds.items()}
        rows.append((f"{data['model']} {variant}" if "all" in STEPS[piece] else piece, 0, times.pop("gan_train"), library_times(times), {}))
    return rows


def conv_step(data):
    """ms of all convolutions of a detach step: ours, {library: theirs}"""
    ours, theirs = 0, {}
    for p in data["convolutions"]:
        ours += p["us"] * p["times"] / 1e3
        for library, us in library_times(p["peers_us"]).items():
            theirs[library] = theirs.get(library, 0) + us * p["times"] / 1e3
    return ours, theirs


# ---- printing ----

def head(results):
    lines = [cpu_name()]
    about = {}
    for data in results.values():
        if "device" in data:
            lines.append(f"{data['device']} ({data['platform']} {data['driver']}), {data['compute_units']} compute units, "
                         f"vectors of {data['vector_floats']} floats; OpenBLAS: {data['openblas']}")
        about |= data.get("peers", {})
    return list(dict.fromkeys(lines)) + sorted(about.values())


def cell(value, digits):
    return "-" if value is None else f"{value:.{digits}f}"


def unit_of(piece):
    return "GFLOP/s" if piece in ("products", "convs") else "ms a step" if piece in STEPS else "GB/s"


def print_rows(piece, data):
    rows = rows_of(piece, data)
    libraries = list(dict.fromkeys(k for r in rows for k in r[3]))
    yards = list(rows[0][4])
    unit = unit_of(piece)
    print(f"\n{piece + ', ' + unit:34}{'clgrad':>9}" + "".join(f"{k:>10}{'ratio':>7}" for k in libraries) +
          "".join(f"{'/' + y:>9}" for y in yards))
    for name, work, us, theirs, shares in rows:
        rate = (lambda t, work=work: work / t / 1e3) if work else (lambda t: t / 1e3)
        line = f"{name:34}{rate(us):9.1f}" if work else f"{name:34}{rate(us):9.2f}"
        for k in libraries:
            t = theirs.get(k)
            ratio = None if not t else t / us if work else us / t
            line += f"{cell(rate(t) if t else None, 1 if work else 2):>10}{cell(ratio, 2):>7}"
        print(line + "".join(f"{shares[y]:9.2f}" for y in yards))
    if piece == "convs":
        ours, theirs = conv_step(data)
        print(f"{'all of a detach step, ms':34}{ours:9.2f}" + "".join(f"{t:10.2f}{t / ours:7.2f}" for t in theirs.values()))


def found(results):
    """(what, figure, wanted at AVX2, whether less is better)"""
    passes = {r[0]: r for r in rows_of("passes", results["passes"])} if "passes" in results else {}
    if "products" in results:
        nine = [r for r in rows_of("products", results["products"]) if r[0] in NINE]
        ratios = [min(v for k, v in r[3].items() if k != "OpenBLAS") / r[2] for r in nine if len(r[3]) > 1]
        if ratios:
            yield "nine products: lowest share of the faster peer", min(ratios), 0.9, False
    if "relu, 1 MB" in passes and passes["relu, 1 MB"][3]:
        _, _, us, theirs, _ = passes["relu, 1 MB"]
        yield "relu of 1 MB: share of the faster peer", min(theirs.values()) / us, 0.8, False
    if "relu, 64 MB" in passes:
        yield "relu of 64 MB: share of memcpy", passes["relu, 64 MB"][4]["memcpy"], 0.9, False
    for piece, wanted in (("mlp", {"torch": 0.65, "jax": 1.0}), ("dcgan", {"torch": 0.55, "jax": 0.35}),
                          ("dcgan64", {"torch": 0.85})):
        for _, _, ours, theirs, _ in rows_of(piece, results[piece]) if piece in results else []:
            for library, limit in wanted.items():
                if library in theirs:
                    yield f"{piece}: step to {library}'s", ours / theirs[library], limit, True


def print_table(results, isa):
    print("\n" + "\n".join(head(results)))
    for piece, data in results.items():
        print_rows(piece, data)
    print("\nratio: the others' time over ours, of steps ours over theirs; PyTorch: the faster of its thread counts")
    for what, figure, limit, less in found(results):
        met = "met" if (figure <= limit if less else figure >= limit) else "NOT MET"
        verdict = f"   want {'at most' if less else 'at least'} {limit}: {met}" if isa == "avx2" else ""
        print(f"{what:50}{figure:6.2f}{verdict}")


def table(head, rows):
    """Markdown; every row begins with its name."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def widths_of(sets):
    return [next((f"{d['vector_floats']} floats" for d in s.values() if "vector_floats" in d), "?") for s in sets]


def piece_table(name, pieces, sets):
    """Rows of pieces with columns for each folder: rates or milliseconds."""
    tables = [{r[0]: r for piece in pieces if piece in s for r in rows_of(piece, s[piece])} for s in sets]
    libraries = list(dict.fromkeys(k for t in tables for r in t.values() for k in r[3]))
    yards = ["memcpy", "triad"] if name == "passes" else []
    ratios = libraries if pieces[0] in STEPS else []
    columns = ["clgrad", *(NAMES.get(k, k) for k in libraries), *(f"of {y}" for y in yards), *(f"to {NAMES[k]}" for k in ratios)]
    rows = []
    for row in dict.fromkeys(n for t in tables for n in t):
        cells = []
        for t in tables:
            _, work, us, theirs, shares = t.get(row, (row, 1, None, {}, {}))
            times = [us, *(theirs.get(k) for k in libraries)]
            cells += [cell(x and (work / x / 1e3 if work else x / 1e3), 1) for x in times]
            cells += [cell(shares.get(y), 2) for y in yards]
            cells += [cell(us / theirs[k] if us and k in theirs else None, 2) for k in ratios]
        rows.append([row, *cells])
    return table([f"{name}, {unit_of(pieces[0])}", *(f"{w}: {c}" for w in widths_of(sets) for c in columns)], rows)


def machine(sets):
    lines = [f"- {line}" for line in dict.fromkeys(line for s in sets for line in head(s))]
    return "\n".join(lines) + "\n"


def markdown(folders, into):
    sets = [load(folder) for folder in folders]
    texts = {"machine": machine(sets)}
    tables = {"products": ["products"], "passes": ["passes"], "convs": ["convs"], "steps": ["mlp", "dcgan", "dcgan64"],
              "variants": ["variants", "variants-dcgan"]}
    for name, pieces in tables.items():
        if any(piece in s for s in sets for piece in pieces):
            texts[name] = piece_table(name, pieces, sets)
    if not into:
        print("\n".join(texts.values()))
        return
    with open(into, encoding="utf-8") as file:
        page = file.read()
    for name, text in texts.items():
        page = re.sub(rf"(<!-- {name} -->\n)(?:[^\n]+\n)*", lambda found, text=text: found[1] + text, page)
    with open(into, "w", encoding="utf-8") as file:
        file.write(page)


def usual_options(about, inputs):
    """A parser of what such commands take; --markdown takes files of the kind `inputs`."""
    parser = argparse.ArgumentParser(description=about.split("\n", maxsplit=1)[0])
    parser.add_argument("--isa", choices=list(HELD), default="native")
    parser.add_argument("--python", default=os.environ.get("PYTHON", "/usr/bin/python3"))
    parser.add_argument("--build", default=os.path.join(HERE, "../../build"))
    parser.add_argument("--out")
    parser.add_argument("--markdown", nargs="+", metavar=inputs)
    parser.add_argument("--into", metavar="FILE")
    return parser


def main():
    parser = usual_options(__doc__, "DIR")
    parser.add_argument("--only", choices=PIECES, action="append")
    parser.add_argument("--rounds", type=int, help="of each piece (default: its own)")
    parser.add_argument("--table", action="store_true", help="run nothing")
    args = parser.parse_args()
    if args.markdown:
        markdown(args.markdown, args.into)
        return
    args.build = os.path.abspath(args.build)
    args.out = args.out or os.path.join(args.build, "compare-" + args.isa)
    os.makedirs(args.out, exist_ok=True)
    for piece in [] if args.table else args.only or USUAL:
        run_piece(piece, args)
    print_table(load(args.out), args.isa)


if __name__ == "__main__":
    main()
