#!/usr/bin/env python3
"""Writes small inputs for the fuzz targets: one of each kind that a parser knows, whole and nearly whole.

usage: seeds.py FOLDER SOURCE_ROOT
"""
import gzip
import json
import pathlib
import re
import struct
import sys
import zlib

FLOATS = {n: struct.pack(f"<{n}f", *range(n)) for n in range(9)}


def fnv(data, h=0xCBF29CE484222325):
    for byte in data:
        h = ((h ^ byte) * 0x100000001B3) & (2**64 - 1)
    return h


# ---- states and arrays ----


def safetensors(tensors, metadata=None, padding=0):
    header, data = {}, b""
    if metadata:
        header["__metadata__"] = metadata
    for name, (dtype, shape, values) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header, separators=(",", ":")).encode() + b" " * padding
    return struct.pack("<Q", len(text)) + text + data


SHAPES = {"0.weight": [3, 2], "0.bias": [3], "1.weight": [3], "1.bias": [3], "1.running_mean": [3], "1.running_var": [3]}


def elements(shape):
    return shape[0] * (shape[1] if len(shape) > 1 else 1)


def module(prefix=""):
    rows = {prefix + name: ("F32", shape, FLOATS[elements(shape)]) for name, shape in SHAPES.items()}
    return {**rows, prefix + "1.num_batches_tracked": ("I64", [], struct.pack("<q", 1))}


def optimizer(names, with_steps):
    rows = {"o.param_groups.0.lr": ("F64", [], struct.pack("<d", 0.001))}
    for i, shape in enumerate(list(SHAPES.values())[:4]):
        for name in names:
            rows[f"o.state.{i}.{name}"] = ("F32", shape, FLOATS[elements(shape)])
        if with_steps:
            rows[f"o.state.{i}.step"] = ("I64", [], struct.pack("<q", 2))
    return rows


def states():
    adam = {**module("m."), **optimizer(["exp_avg", "exp_avg_sq"], True)}
    sgd = {**module("m."), **optimizer(["momentum_buffer"], False)}
    kinds = {
        "half": ("F16", [2], b"abcd"), "int": ("I32", [2, 1], FLOATS[2]), "none": ("F32", [0, 3], b""),
        "one": ("F32", [], FLOATS[1]), "\u91cd": ("BF16", [1], b"aa"), "four": ("F4", [2], b"a"),
    }
    random = {"r.seed": "1", "r.position": "77"}
    yield safetensors(module())
    yield safetensors(adam, {"o.kind": "adam", **random, "step": "3"})
    yield safetensors(sgd, {"o.kind": "sgd"})
    yield safetensors(kinds, {'a"\\\n': "\u00e9"}, 3)
    yield safetensors({})


def arrays():
    for version in (1, 2, 3):
        for dtype, shape, data in (
            ("<f4", "(2, 3)", FLOATS[6]), ("<i4", "(4,)", FLOATS[4]), ("<f4", "()", FLOATS[1]), ("<f4", "(0, 3)", b""),
            (">f8", "(2,)", FLOATS[4]), ("<f4", "(1,1,1,1,1,1,1,2)", FLOATS[2]),
        ):
            text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
            text += b" " * (-(len(text) + 11) % 64) + b"\n"
            yield b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text + data


# ---- images ----


def idx(count, height, width):
    return struct.pack(">IIII", 0x803, count, height, width) + bytes(range(256))[: count * height * width]


def idx_files():
    yield idx(2, 3, 4)
    yield struct.pack(">II", 0x801, 5) + b"abcde"
    yield gzip.compress(idx(3, 4, 4), mtime=0)
    yield struct.pack(">IIII", 0x803, 0xFFFFFFFF, 4096, 4096) + b"x" * 30
    yield struct.pack(">II", 0x801, 0xFFFFFFF0) + b"abc"


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, interlaced=0, palette=b"", transparency=b""):
    row = (width * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour] * depth + 7) // 8
    lines = b"".join(bytes([y % 5]) + bytes((x * 7 + y) & 255 for x in range(row)) for y in range(height))
    more = (chunk(b"PLTE", palette) if palette else b"") + (chunk(b"tRNS", transparency) if transparency else b"")
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + more + chunk(b"IDAT", zlib.compress(lines * (1 + 2 * interlaced))) + chunk(b"IEND", b"")


def jpeg(components, exif=b""):
    """Eight by eight, every coefficient 0: tables that hold the codes needed and no more."""
    segment = lambda marker, data: b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data
    parts = [(i + 1, 0x11, 0) for i in range(components)]
    out = b"\xff\xd8" + (segment(0xE1, b"Exif\0\0" + exif) if exif else b"") + segment(0xDB, b"\0" + bytes([1] * 64))
    out += segment(0xC0, struct.pack(">BHHB", 8, 8, 8, components) + b"".join(bytes(p) for p in parts))
    for table in (0x00, 0x10):
        out += segment(0xC4, bytes([table, 1] + [0] * 15 + [0]))
    out += segment(0xDA, bytes([components]) + b"".join(bytes([p[0], 0]) for p in parts) + b"\0\x3f\0")
    return out + b"\x00\x7f" + b"\xff\xd9"


def pictures():
    grey = bytes(x & 255 for x in range(768))
    for picture in (
        (5, 4, 8, 0), (5, 4, 8, 2), (5, 4, 16, 6), (5, 4, 8, 4), (9, 3, 1, 0), (5, 4, 8, 3, 0, grey),
        (5, 4, 4, 3, 0, grey[:48], b"\0\x80"), (7, 7, 8, 2, 1), (3, 3, 16, 0),
    ):
        yield png(*picture)
    yield jpeg(1)
    yield jpeg(3, b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0")
    huge = struct.pack(">IIBBBBB", 8192, 8192, 8, 0, 0, 0, 0)
    yield b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", huge) + chunk(b"IDAT", zlib.compress(bytes(100000))) + chunk(b"IEND", b"")


# ---- texts ----


def formulas(root):
    table = (root / "lib" / "ops" / "rows.h").read_text(encoding="utf-8")
    yield from sorted(set(re.findall(r'"([^"]*[-+*/?(][^"]*)"', table)))
    yield from ("(" * 190 + "x" + ")" * 190, "x>0?x<1?o:k:s!=0?-x:pow(x,2)", "1e-30*x+.5E+2/3.25e7-0.1", "1/0*x", "x*", "")


def expressions(root):
    names = r"\b(beta|threshold|low|high|slope|alpha|p|base|t|c|w)\b"
    return [re.sub(names, "k", text).encode() for text in formulas(root)]


def maps(root):
    for text in formulas(root):
        yield bytes([4, 3, 0, 13]) + text.encode() + b"\0x\0o\0s\0k\0"
    for name in ("float", "kernel", "t0", "get_global_id", "clg_min", "__kernel", "x x", "", "x_at", "\x1b[31m", "n" * 200):
        yield bytes([2, 1, 0, 15]) + f"{name}*2+q".encode() + b"\0" + name.encode() + b"\0q\0"
    yield bytes([12, 255, 255, 7]) + "+".join(f"i{k}*i{k}" for k in range(12)).encode() + b"\0" + b"".join(b"i%d\0" % k for k in range(12))


def tables():
    head = "clgrad-tuning 1\nplatform plan\ndevice plan\ndriver \nshape "
    for shape, rows in (
        ("cpu", "product nn 2 3 3 panel\nproduct tn 0 1 2 row\n"), ("gpu", "product nt 2 3 3 tile\n"), ("cpu", ""),
        ("gpu", "clblast Xgemm 64 64 16 32 32 8 8 4 1 1 0 0 2 2\n"),
    ):
        body = f"{head}{shape}\n{rows}".encode()
        for how in range(8):
            yield bytes([how]) + body + (b"" if how & 2 else b"end %016x\n" % fnv(body))
    yield b"\0clgrad-profile 1\ndevice NVIDIA A100\nshape gpu\nmax_alloc 1000000000\ngemm 64 64 32 0 1024\n"
    yield b"\0clgrad-profile 1\ndevice x\nshape cpu\nmax_alloc 1\ngemm 1024 1 1 1 1\n"


def entries():
    body = b"clgrad 0.1.0#define X 1\n" + b"binary" * 9
    key = len(body) - 54
    for how in range(8):
        yield bytes([how]) + b"clgrad1\0" + struct.pack("<QQQ", key, 54, fnv(body)) + body
    yield bytes([7]) + bytes(200)


COMMANDS = """--variant retain_graph --data ring --steps 2 --batch 8
--compare --plan --model dcgan --ngf 64 --image-size 64
--variants detach,naive --json -
--save a.st --resume a.st --save-every 1
--help
--version
--seed 9223372036854775807 --lambda 10 --critic-steps 5 --model wgan_gp --hidden 65536 --nz 1
--channels 3 --conditional --samples a.png --samples-every 3 --quiet --remat --tuning t --shape cpu --device 0:0
--epochs 2 x
--steps=5
-x
--
--st 5
--skip-unreadable --data d"""


def programs():
    """Bytes that lead through most calls: each is a number of the generator's own."""
    state = 1
    for length in (60, 200, 400, 800, 1400):
        for _ in range(6):
            out = bytearray()
            while len(out) < length:
                state = (state * 6364136223846793005 + 1442695040888963407) & (2**64 - 1)
                out.append(state >> 56)
            yield bytes(out)


def main(folder, root):
    every = lambda items, heads: (bytes([head]) + item for item in items for head in heads)
    kinds = {
        "safetensors": every(states(), (0, 1)), "npy": arrays(), "idx": every(idx_files(), range(16)), "image": every(pictures(), range(3)),
        "expr": expressions(root), "map": maps(root), "tables": tables(), "cache": entries(), "api": programs(),
        "options": (line.replace(" ", "\n").encode() for line in COMMANDS.splitlines()),
    }
    for kind, items in kinds.items():
        to = folder / kind
        to.mkdir(parents=True, exist_ok=True)
        for number, item in enumerate(items):
            (to / f"{number:03}").write_bytes(item)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
