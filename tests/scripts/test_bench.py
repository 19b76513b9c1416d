#!/usr/bin/env python3
"""The benchmarks' yardsticks and peers, by peers that are made up: what they say arrives in the JSON, one that does not know the work
or dies takes no part, and the verdicts of compare.py and ops.py follow the figures.

usage: test_bench.py BENCH_OPS COMPARE_PY OPS_PY
"""
import json
import os
import subprocess
import sys
import tempfile

BENCH_OPS, COMPARE, OPS = sys.argv[1:]
PEER = """
import sys
key, seconds, known, lives = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
print(key + "\\tmade up", flush=True)
for line in sys.stdin:
    what, detail = line.rstrip("\\n").split(" ", 1)
    if what == "work":
        sys.stderr.write("asked " + detail + "\\n")
        print("ok" if known in detail else "no", flush=True)
    elif lives:
        lives -= 1
        print(seconds, flush=True)
    else:
        sys.exit()
"""


def bench(folder, *peers, rounds=3):
    command = [BENCH_OPS, "--only", "=relu", "--only", "=neg", "--forward", "--size", "cache", "--layout", "flat", "--rounds", str(rounds), "--json", "-"]
    script = os.path.join(folder, "peer.py")
    with open(script, "w", encoding="utf-8") as file:
        file.write(PEER)
    for peer in peers:
        command += ["--peer", peer if peer.startswith("/") else f"{sys.executable} {script} {peer}"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def check(what, ok, detail=""):
    if not ok:
        sys.exit(f"test_bench.py: {what}: {detail}")


def peers_arrive(folder):
    done = bench(folder, "fast-1 0.25 relu 99", "fast-2 0.125 relu 99", "mortal-1 1 relu 2")
    check("bench_ops", done.returncode == 0, done.stderr)
    out = json.loads(done.stdout)
    rows = {row["op"]: row for row in out["ops"]}
    check("who they are", out["peers"] == {k: "made up" for k in ("fast-1", "fast-2", "mortal-1")}, out["peers"])
    check("times", rows["relu"]["peers_us"] == {"fast-1": 250000, "fast-2": 125000}, rows["relu"])
    check("an op that they do not know", rows["neg"]["peers_us"] == {}, rows["neg"])
    check("the work in words", "asked op relu||forward|262144~-2,2|0\n" in done.stderr, done.stderr)
    check("one that died is named", "mortal-1 has ended" in done.stderr, done.stderr)


def yardsticks(folder):
    """Of one round the shares are exact."""
    for row in json.loads(bench(folder, rounds=1).stdout)["ops"]:
        for yard in ("memcpy", "triad"):
            share = row["gb_per_s"] / row[f"{yard}_gb_per_s"]
            check("a yardstick", 0 < share and abs(row["of_" + yard] - share) < 1e-3 * share, row)


def products(path, us):
    rows = [{"product": p, "flops": 2e6, "us": 10.0, "openblas_us": 1.0, "peers_us": {"torch-1": 20.0, "torch-2": us, "jax-2": 30.0}}
            for p in ("nt:128x256x784", "nn:128x256x256")]
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"device": "d", "platform": "p", "driver": "v", "compute_units": 2, "vector_floats": 8, "openblas": "b",
                   "peers": {}, "products": rows}, file)


def verdicts(folder):
    for us, words in ((8.9, "0.89   want at least 0.9: NOT MET"), (9.1, "0.91   want at least 0.9: met")):
        products(os.path.join(folder, "products.json"), us)
        done = subprocess.run([sys.executable, COMPARE, "--isa", "avx2", "--table", "--out", folder], capture_output=True, text=True,
                              check=False)
        check("compare.py", done.returncode == 0 and words in done.stdout, done.stdout + done.stderr)
    done = subprocess.run([sys.executable, COMPARE, "--markdown", folder], capture_output=True, text=True, check=False)
    check("the table of the docs", "| nt:128x256x784 | 200.0 | 219.8 | 66.7 | 2000.0 |" in done.stdout, done.stdout + done.stderr)
    page = os.path.join(folder, "page.md")
    with open(page, "w", encoding="utf-8") as file:
        file.write("before\n\n<!-- products -->\n| old |\n\n<!-- convs -->\n\nbehind\n")
    subprocess.run([sys.executable, COMPARE, "--markdown", folder, "--into", page], check=True)
    with open(page, encoding="utf-8") as file:
        text = file.read()
    check("a page", text.startswith("before\n\n<!-- products -->\n| products, GFLOP/s |") and "old" not in text and
          text.endswith("|\n\n<!-- convs -->\n\nbehind\n"), text)


def ratios(folder):
    """PyTorch's faster thread count over ours: worst first, then the mean."""
    path = os.path.join(folder, "ops.json")
    rows = [{"op": op, "case": "all", "pass": "forward", "layout": "flat", "size": size, "us": us, "peers_us": theirs}
            for op, size, us, theirs in (("fast", "rows", 10.0, {"torch-1": 45.0, "torch-2": 40.0}), ("alone", "rows", 1.0, {}),
                                         ("slow", "cache", 10.0, {"torch-1": 2.5, "torch-2": 9.0}))]
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"device": "d", "platform": "p", "driver": "v", "compute_units": 2, "vector_floats": 8, "openblas": "b",
                   "peers": {}, "ops": rows}, file)
    done = subprocess.run([sys.executable, OPS, "--show", path], capture_output=True, text=True, check=False)
    words = [line.split()[0] for line in done.stdout.splitlines()[3:]]
    check("ops.py", words == ["0.25", "4.00", "-", "1.00"] and "mean of 2; 1 below 0.8" in done.stdout, done.stdout + done.stderr)
    page = os.path.join(folder, "ops.md")
    with open(page, "w", encoding="utf-8") as file:
        file.write("<!-- ops -->\n| old |\n\nbehind\n")
    subprocess.run([sys.executable, OPS, "--markdown", path, path, "--into", page], check=True)
    with open(page, encoding="utf-8") as file:
        text = file.read()
    line = "| slow: all | 0.25 forward, flat, cache | 0.25 | 0.25 forward, flat, cache | 0.25 |\n| fast: all |"
    check("ops.py's page", line in text and "old" not in text and text.endswith("|\n\nbehind\n"), text)


def main():
    with tempfile.TemporaryDirectory() as folder:
        peers_arrive(folder)
        yardsticks(folder)
        check("a peer that is not there", bench(folder, "/no/such/peer").returncode == 1)
        verdicts(folder)
        ratios(folder)


if __name__ == "__main__":
    main()
