"""The picture of docs/scaling.md: images a second over ranks, by the model of scaling_model.py."""
import dataclasses

import growth
import scaling_model as model

RANKS = [1, 2, 4, 8, 16, 32, 64]
RATES = {"1": "1 Gbit/s", "10": "10 Gbit/s", "100": "100 Gbit/s"}
COLOURS = ["#c4501b", "#1f5fa8", "#3a7d34", "#999"]


class Lines(growth.Panel):
    """Several series, named in a corner."""

    def draw(self):
        out = self.axes()
        for i, ((name, text), colour) in enumerate(zip(self.series.items(), COLOURS)):
            points = [self.at(r[self.x], r[name]) for r in self.rows]
            dash = ' stroke-dasharray="4 4"' if name == "ideal" else ""
            out.append(f'<polyline points="{" ".join(f"{u:.1f},{v:.1f}" for u, v in points)}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
            out.append(f'<text x="{growth.LEFT + 10}" y="{growth.TOP + 14 + 15 * i}" fill="{colour}">{text}</text>')
        return "\n".join(out)


@dataclasses.dataclass
class Case:
    compute: float  # seconds of a shard on a device
    sums: list      # leaves of each sum, on that device
    latency: float  # as in scaling_model.Link
    large: float
    host: float     # seconds that computation loses by a byte: 0 where the device is not the processor
    bucket: int


def seconds(case, ranks, shards, gbit):
    """A step of `shards` shards a rank, one behind the other: the last one's backward is what hides."""
    link = model.Link(case.latency, case.large, 1e9 / 8 * gbit, case.host)
    return model.step(case.compute * shards, case.sums, ranks, link, case.bucket)[0]


def rows(case, images, shards_of):
    """Images a second; shards_of(ranks): of each."""
    out = []
    for n in RANKS:
        made = images * shards_of(n) * n
        row = {"ranks": n, "ideal": n * images / case.compute}
        out.append(row | {name: made / seconds(case, n, shards_of(n), float(name)) for name in RATES})
    return out


def pays_to(table, name, share=0.8):
    """The most ranks of which each does at least that share of what one alone does."""
    return max(r["ranks"] for r in table if r[name] >= share * r["ideal"])


def picture(panels):
    """SVG of (title, rows of one table)."""
    series = RATES | {"ideal": "without messages"}
    return growth.drawing([Lines(title, table, "ranks", series, "ranks", "images a second", False) for title, table in panels], columns=2)
