#!/usr/bin/env python3
"""How time and memory grow: a training step of the MLP GAN over batch and width, and the graph over its nodes.

Runs gan_train and bench_host, prints a table and the exponent between neighbours (1: linear), and draws an SVG. Time is the
median step; what grows linearly in the batch are the activations, in the square of the width the parameters.

usage: growth.py --gan-train FILE --bench-host FILE [--svg FILE] [--json FILE] [--steps N] [--quick]
"""
import argparse
import json
import math
import subprocess
import sys

BATCHES = [32, 64, 128, 256, 512, 1024, 2048]
WIDTHS = [64, 128, 256, 512, 1024]
COLOURS = ["#1f5fa8", "#c4501b"]


def output_of(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"growth.py: {' '.join(command)}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def step_figures(program, batch, hidden, steps):
    command = [program, "--variant", "detach", "--quiet", "--json", "-", "--steps", str(steps)]
    run = output_of(command + ["--batch", str(batch), "--hidden", str(hidden)])["variants"][0]
    if run["status"] != "ok":
        sys.exit(f"growth.py: batch {batch}, hidden {hidden}: {run['error']}")
    return {
        "batch": batch,
        "hidden": hidden,
        "ms": run["step_ms"]["median"],
        "min_ms": run["step_ms"]["min"],
        "live_mib": run["peak_live_bytes"] / 2**20,
        "saved_mib": run["peak_saved_bytes"] / 2**20,
    }


def exponents(rows, x, y):
    """Of y ~ x^e between neighbours."""
    pairs = zip(rows, rows[1:])
    return [None] + [math.log(b[y] / a[y]) / math.log(b[x] / a[x]) for a, b in pairs]


def print_table(title, rows, x, columns):
    print(title)
    for row, *powers in zip(rows, *(exponents(rows, x, c) for c in columns)):
        cells = (f"{c} {row[c]:10.3f} {'' if p is None else f'(^{p:.2f})':8s}" for c, p in zip(columns, powers))
        print(f"  {x} {row[x]:8d}  " + "  ".join(cells))
    sys.stdout.flush()


# ---- the drawing: log-log panels ----

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 380, 280, 58, 18, 34, 46


def decades(low, high):
    return [10.0**e for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]


def label(value):
    return f"{value:g}" if value < 1e4 else f"1e{round(math.log10(value))}"


class Panel:
    """y against x, both logarithmic, with a dashed line of slope 1 through the last point where `linear` says so."""

    def __init__(self, title, rows, x, series, x_label, y_label, linear):
        self.title, self.rows, self.x, self.series = title, rows, x, series
        self.x_label, self.y_label, self.linear = x_label, y_label, linear
        values = [r[s] for r in rows for s in series]
        self.x_low, self.x_high = rows[0][x], rows[-1][x]
        grid = decades(min(values), max(values))
        self.y_low, self.y_high = grid[0], grid[-1] if grid[-1] > grid[0] else grid[0] * 10

    def at(self, x, y):
        u = math.log(x / self.x_low) / math.log(self.x_high / self.x_low)
        v = math.log(y / self.y_low) / math.log(self.y_high / self.y_low)
        return LEFT + u * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - v * (HEIGHT - TOP - BOTTOM)

    def axes(self):
        out = [f'<text x="{LEFT}" y="18" font-weight="bold">{self.title}</text>']
        for y in decades(self.y_low, self.y_high):
            x0, v = self.at(self.x_low, y)
            x1, _ = self.at(self.x_high, y)
            out.append(f'<line x1="{x0:.1f}" y1="{v:.1f}" x2="{x1:.1f}" y2="{v:.1f}" stroke="#ddd"/>')
            out.append(f'<text x="{x0 - 6:.1f}" y="{v + 4:.1f}" text-anchor="end">{label(y)}</text>')
        for row in self.rows:
            u, v = self.at(row[self.x], self.y_low)
            out.append(f'<text x="{u:.1f}" y="{v + 16:.1f}" text-anchor="middle">{label(row[self.x])}</text>')
        out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 10}" text-anchor="middle">{self.x_label}</text>')
        middle = (TOP + HEIGHT - BOTTOM) / 2
        out.append(f'<text transform="translate(14 {middle:.0f}) rotate(-90)" text-anchor="middle">{self.y_label}</text>')
        return out

    def slope_one(self, name):
        last = self.rows[-1]
        low = max(self.x_low, last[self.x] * self.y_low / last[name])
        (x0, y0), (x1, y1) = self.at(low, last[name] * low / last[self.x]), self.at(last[self.x], last[name])
        return f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke="#999" stroke-dasharray="4 4"/>'

    def draw(self):
        out = self.axes()
        for (name, text), colour, beside in zip(self.series.items(), COLOURS, (-8, 18)):
            points = [self.at(r[self.x], r[name]) for r in self.rows]
            if self.linear:
                out.append(self.slope_one(name))
            path = " ".join(f"{u:.1f},{v:.1f}" for u, v in points)
            out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
            out += [f'<circle cx="{u:.1f}" cy="{v:.1f}" r="3" fill="{colour}"/>' for u, v in points]
            u, v = points[-1]
            out.append(f'<text x="{u - 4:.1f}" y="{v + beside:.1f}" text-anchor="end" fill="{colour}">{text}</text>')
        return "\n".join(out)


def drawing(panels, columns=3):
    rows = -(-len(panels) // columns)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{columns * WIDTH}" height="{rows * HEIGHT}" '
           'font-family="sans-serif" font-size="11">', '<rect width="100%" height="100%" fill="white"/>']
    for i, panel in enumerate(panels):
        out.append(f'<g transform="translate({i % columns * WIDTH} {i // columns * HEIGHT})">\n{panel.draw()}\n</g>')
    return "\n".join(out + ["</svg>\n"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gan-train", required=True)
    parser.add_argument("--bench-host", required=True)
    parser.add_argument("--svg")
    parser.add_argument("--json")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="three sizes each, chains of 10000 nodes")
    args = parser.parse_args()
    batches, widths = (BATCHES[::3], WIDTHS[::2]) if args.quick else (BATCHES, WIDTHS)
    columns = ["ms", "live_mib", "saved_mib"]
    by_batch = [step_figures(args.gan_train, b, 256, args.steps) for b in batches]
    print_table("MLP GAN, hidden 256", by_batch, "batch", columns)
    by_width = [step_figures(args.gan_train, 128, w, args.steps) for w in widths]
    print_table("MLP GAN, batch 128", by_width, "hidden", columns)
    nodes = 10000 if args.quick else 1000000
    chains = output_of([args.bench_host, "--chains", "--nodes", str(nodes), "--json", "-"])["chains"]
    print_table("chains on a plan context, a node", chains, "nodes", ["record_us", "backward_us", "host_bytes"])
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"batch": by_batch, "hidden": by_width, "chains": chains}, file, indent=2)
    if args.svg:
        memory = {"live_mib": "live peak", "saved_mib": "saved"}
        panels = [
            Panel("Step time, hidden 256", by_batch, "batch", {"ms": "median"}, "batch", "ms", True),
            Panel("Step time, batch 128", by_width, "hidden", {"ms": "median"}, "hidden", "ms", True),
            Panel("Host time a node", chains, "nodes", {"record_us": "record", "backward_us": "backward"}, "nodes in the chain",
                  "us", False),
            Panel("Memory of a step, hidden 256", by_batch, "batch", memory, "batch", "MiB", True),
            Panel("Memory of a step, batch 128", by_width, "hidden", memory, "hidden", "MiB", True),
            Panel("Host memory a node", chains, "nodes", {"host_bytes": "bytes"}, "nodes in the chain", "bytes", False),
        ]
        with open(args.svg, "w", encoding="utf-8") as file:
            file.write(drawing(panels))


if __name__ == "__main__":
    main()
