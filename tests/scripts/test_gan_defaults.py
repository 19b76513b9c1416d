#!/usr/bin/env python3
"""What gan_train shows by default: after a comparison's steps the samples of Fashion-MNIST look like clothes, and those of the ring
are of most of its modes.

Clothes are measured on the picture: its mean is the mean of the data, and its items differ from each other as those of the data do.

usage: test_gan_defaults.py GAN_TRAIN clothes|ring
"""
import gzip
import json
import pathlib
import subprocess
import sys
import tempfile
import zlib

DATA = pathlib.Path("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")
SIDE, GAP, GRID = 28, 2, 8
SKIPPED = 77


def png_rows(path):
    """The rows of a grey picture of 8 bits without interlacing."""
    data = path.read_bytes()
    width, height = int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    assert data[24:26] == b"\x08\x00" and data[28] == 0, "not a grey picture"
    at, packed = 8, b""
    while at < len(data):
        n = int.from_bytes(data[at : at + 4])
        packed += data[at + 8 : at + 8 + n] if data[at + 4 : at + 8] == b"IDAT" else b""
        at += 12 + n
    raw, before, rows = zlib.decompress(packed), bytes(width), []
    for y in range(height):
        kind, line = raw[y * (width + 1)], bytearray(raw[y * (width + 1) + 1 : (y + 1) * (width + 1)])
        for x in range(width):
            left, up, corner = (line[x - 1] if x else 0), before[x], (before[x - 1] if x else 0)
            guess = left + up - corner
            nearest = min((left, up, corner), key=lambda v: abs(guess - v))
            line[x] = (line[x] + (0, left, up, (left + up) // 2, nearest)[kind]) % 256
        rows.append(bytes(line))
        before = line
    return rows


def samples(path):
    rows = png_rows(path)
    corners = [(GAP + i // GRID * (SIDE + GAP), GAP + i % GRID * (SIDE + GAP)) for i in range(GRID * GRID)]
    return [[v for y in range(SIDE) for v in rows[top + y][left : left + SIDE]] for top, left in corners]


def mean_image(items):
    return [sum(column) / len(items) for column in zip(*items)]


def correlation(a, b):
    ma, mb = sum(a) / len(a), sum(b) / len(b)
    up = sum((x - ma) * (y - mb) for x, y in zip(a, b))
    return up / (sum((x - ma) ** 2 for x in a) * sum((y - mb) ** 2 for y in b)) ** 0.5


def spread(items):
    """The mean distance of an item from the mean."""
    middle = mean_image(items)
    return sum(sum((x - m) ** 2 for x, m in zip(item, middle)) ** 0.5 for item in items) / len(items)


def roughness(items):
    """Squared differences of neighbours, beside the variance of pixels: 2 for noise."""
    steps = sum((i[y * SIDE + x + 1] - i[y * SIDE + x]) ** 2 for i in items for y in range(SIDE) for x in range(SIDE - 1))
    pixels = [v for item in items for v in item]
    middle = sum(pixels) / len(pixels)
    return steps / (len(items) * SIDE * (SIDE - 1)) / (sum((v - middle) ** 2 for v in pixels) / len(pixels))


def figures(program, *words):
    """The report, and it alone, on standard output."""
    return json.loads(subprocess.run([program, *words, "--quiet", "--json", "-"], check=True, stdout=subprocess.PIPE).stdout)


def ring(program):
    named, plan = figures(program, "--variants", "detach", "--data", "ring"), ["--plan", "--data", "fashion-mnist"]
    covered = named["variants"][0]["ring"]["modes_covered"]
    print(f"{named['model']} covers {covered} modes in {named['steps']} steps")
    assert covered >= 6
    assert figures(program, "--plan", "--data", "ring", "--critic-steps", "3")["model"] == "wgan_gp"
    assert figures(program, *plan)["model"] == "mlp" and figures(program, *plan, "--model", "wgan_gp")["model"] == "wgan_gp"


def clothes(program):
    if not DATA.exists():
        sys.exit(SKIPPED)
    bytes_of_data = gzip.decompress(DATA.read_bytes())[16:]
    data = [list(bytes_of_data[i * SIDE * SIDE : (i + 1) * SIDE * SIDE]) for i in range(500)]
    with tempfile.TemporaryDirectory() as folder:
        picture = pathlib.Path(folder, "s.png")
        words = ["--variants", "detach", "--data", "fashion-mnist", "--quiet", "--samples", picture]
        subprocess.run([program, *words], check=True, stdout=subprocess.DEVNULL)
        made = samples(picture)
    likeness, width, grain = correlation(mean_image(made), mean_image(data)), spread(made) / spread(data), roughness(made)
    print(f"mean image correlates with the data's by {likeness:.2f}, spread {width:.2f} of its, roughness {grain:.2f}")
    assert likeness > 0.8 and width > 0.6 and grain < 0.6


if __name__ == "__main__":
    {"clothes": clothes, "ring": ring}[sys.argv[2]](sys.argv[1])
