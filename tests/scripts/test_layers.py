#!/usr/bin/env python3
"""Fails on an #include that points upward or takes a private header, on one of MPI's outside its library, on an op that does what the engine does, on a driver's header
outside the device and product rooms, on a statement of lib with two conditional operators or a comma in its return, on a file over 500
lines, on a barrier beside WG_BARRIER, on a call of a function of the driver's that rounds, and on a test that is not run.

usage: test_layers.py SOURCE_ROOT
"""
import pathlib
import re
import sys

ROOMS = ["base", "expr", "kernel", "device", "tensor", "product", "context", "graph", "ops", "nn", "optim", "io"]
RANK = {room: rank for rank, room in enumerate(ROOMS)}
# The room that each public header speaks for.
PUBLIC = {
    "core.h": "base", "tuning.h": "product", "tensor.h": "tensor", "autograd.h": "graph", "graph.h": "graph",
    "ops.h": "ops", "custom.h": "ops", "nn.h": "nn", "optim.h": "optim", "io.h": "io", "clgrad.h": "io",
    "mpi.h": "io", # of a library above all
    # Types that the handle of a context holds; the rooms above have the functions.
    "context.h": "base", "memory.h": "base", "profile.h": "base", "trace.h": "base",
    # Both halves of the interoperation: contexts (context room) and tensors (tensor room).
    "opencl.h": "tensor",
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
DRIVER = re.compile(r"^(CL/|clblast)")
# Who includes a driver's header: OpenCL's, CLBlast's.
DRIVERS = {"device": "CL/", "product": "clblast_c.h"}
MAX_LINES = 500
NOT_OURS_TO_SPLIT = {"tests/tools/clwitness.c"}


# A library of its own, on the public headers alone.
MPI = "mpi"
OF_MPI = ("mpi.h", "clgrad/mpi.h")


ROUNDED = re.compile(
    r"\b((?:native_|half_)?(?:exp|exp2|exp10|expm1|log|log2|log10|log1p|pow|pown|powr|sin|cos|tan|sincos|sinh|cosh|tanh|erf|erfc|tgamma|lgamma|"
    r"rsqrt|recip|floor|ceil|round|rint|trunc|fract|fmod|remainder|divide|hypot|cbrt|rootn|dot|length|normalize|mad|mix|smoothstep))\(")


# What the first comment of a header may say: who includes it.
PRIVATE = re.compile(r"Private to (?:this room|rooms up to (\w+))\.")


def reach(header, room):
    """The highest room that may include the header."""
    said = PRIVATE.search(header.read_text(encoding="utf-8").split("*/")[0].replace("\n *", ""))
    return (said[1] or room) if said else ROOMS[-1]


def includes(path):
    return INCLUDE.findall(path.read_text(encoding="utf-8"))


def check_lib(root, path, complain):
    room = path.relative_to(root / "lib").parts[0]
    if room == MPI:
        check_app(path, complain)
        return
    if room not in RANK:
        complain(path, f"lies in no known room ({room})")
        return
    for kind, name in includes(path):
        if name in OF_MPI:
            complain(path, f"includes <{name}>: MPI is lib/mpi's alone")
        if DRIVER.match(name) and not (room in DRIVERS and name.startswith(DRIVERS[room])):
            complain(path, f"includes <{name}>: OpenCL's header is lib/device's alone, CLBlast's lib/product's")
        if kind == "<" and name.startswith("clgrad/"):
            other = PUBLIC.get(name[len("clgrad/"):])
            allowed = name == "clgrad/opencl.h" and room in ("context", "tensor")
        elif kind == '"':
            other, allowed = name.split("/")[0], False
            header = root / "lib" / name
            if header.is_file() and other in RANK and RANK[room] > RANK[reach(header, other)]:
                complain(path, f"includes {name}, which says that it is private")
            if "/" not in name or not (root / "lib" / name).is_file():
                complain(path, f'includes "{name}", which is no "room/file.h" of lib')
                continue
        else:
            continue
        if other not in RANK:
            complain(path, f"includes {name} of no known room")
        elif RANK[other] > RANK[room] and not allowed:
            complain(path, f"includes {name}: {room} must not know {other}")


# What the op engine does for every op, and who else may: a launch of the user's is refused under create_graph, a formula in place where it
# would have to be recorded.
ENGINE = re.compile(r"\bclg_(node_(?:create|save|attach|unpack\w*)|edge_(?:begin|end|give)|creates_graph|records)\b")
ENGINE_ELSEWHERE = {("program.c", "creates_graph"), ("elementwise.c", "records")}


def check_op(path, complain):
    if path.stem == "op":
        return
    for name in sorted(set(ENGINE.findall(path.read_text(encoding="utf-8")))):
        if (path.name, name) not in ENGINE_ELSEWHERE:
            complain(path, f"calls clg_{name}: lib/ops/op.c does that for every op")


def check_public(path, complain):
    room = PUBLIC.get(path.name)
    if room is None:
        complain(path, "belongs to no room: tell this test which")
        return
    for kind, name in includes(path):
        if DRIVER.match(name) and path.name != "opencl.h":
            complain(path, f"includes <{name}>, which only clgrad/opencl.h may")
        if kind == '"':
            complain(path, f'includes "{name}": public headers use <clgrad/...>')
        if name in OF_MPI and path.name != "mpi.h":
            complain(path, f"includes <{name}>, which only clgrad/mpi.h may")
        if name.startswith("clgrad/") and RANK[PUBLIC.get(name[len("clgrad/"):], "io")] > RANK[room]:
            complain(path, f"includes <{name}>: {room} must not know it")


def check_app(path, complain):
    for kind, name in includes(path):
        if kind == '"' and not (path.parent / name).is_file():
            complain(path, f'includes "{name}", which is not beside it: applications use <clgrad/...> alone')
        if DRIVER.match(name):
            complain(path, f"includes <{name}>: applications use <clgrad/...> alone")


def check_length(root, path, complain):
    lines = path.read_bytes().count(b"\n")
    if lines > MAX_LINES and str(path.relative_to(root)) not in NOT_OURS_TO_SPLIT:
        complain(path, f"has {lines} lines, more than {MAX_LINES}")


NOT_CODE = re.compile(r'/\*.*?\*/|^\s*#(?:\\\n|[^\n])*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S | re.M)


def statements(text):
    """(line, statement) of C as clang-format writes it: the brace of an initializer has an operator before it, or no space."""
    text = NOT_CODE.sub(lambda m: re.sub(r"[^\n]", " " if m[0].lstrip()[0] in "/#" else "_", m[0]), text)
    start, calls, initializers = 0, 0, 0
    for i, char in enumerate(text):
        if char in "()":
            calls += 1 if char == "(" else -1
        elif char == "{" and (initializers or text[i - 1] in ")]" or text[:i].rstrip()[-1:] in ("=", ",", "(")):
            initializers += 1
        elif char == "}" and initializers:
            initializers -= 1
        elif char in ";{}" and not calls and not initializers:
            statement = text[start:i].lstrip()
            yield text.count("\n", 0, i - len(statement)) + 1, statement
            start = i + 1


def returns_behind_comma(statement):
    depth = 0
    for char in "".join(re.findall(r"\breturn\b(.*)", statement, re.S)):
        depth += (char in "([{") - (char in ")]}")
        if char == "," and not depth:
            return True
    return False


def check_statements(path, complain):
    for line, statement in statements(path.read_text(encoding="utf-8")):
        if statement.count("?") > 1:
            complain(path, f"line {line}: more than one conditional operator in a statement")
        if returns_behind_comma(statement):
            complain(path, f"line {line}: does something else in a return, behind which a comma stands")


def check_kernels(path, complain):
    text = path.read_text(encoding="utf-8")
    # A group of one must not meet a barrier: see WG_BARRIER.
    if path.name != "group.clh" and re.search(r"\bbarrier\s*\(", text):
        complain(path, "calls barrier(): use WG_BARRIER")
    # C99's inline defines nothing that a call which is not inlined could reach.
    if re.search(r"^(?!static\b|.*\bstatic ).*\binline ", text, re.M):
        complain(path, "has an inline function that is not static")
    # These of the driver's have other bits on every device: kernels_cl/math has ours.
    code = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    for name in sorted(set(ROUNDED.findall(code))):
        complain(path, f"calls the driver's {name}()")


def sources(root, *suffixes):
    return sorted(p for p in root.rglob("*") if p.suffix in suffixes and p.is_file())


def main(root):
    root = pathlib.Path(root).resolve()
    problems = []

    def complain(path, text):
        problems.append(f"{path.relative_to(root)}: {text}")

    for path in sources(root / "lib", ".c", ".h"):
        check_lib(root, path, complain)
        check_statements(path, complain)
    for path in sources(root / "lib" / "ops", ".c", ".h"):
        check_op(path, complain)
    for path in sources(root / "include", ".h"):
        check_public(path, complain)
    for path in sources(root / "apps", ".c", ".h"):
        check_app(path, complain)
    for path in sources(root / "kernels_cl", ".cl", ".clh", ".clt", ".clm"):
        check_kernels(path, complain)
    for folder in ("lib", "include", "apps", "kernels_cl", "tests"):
        for path in sources(root / folder, ".c", ".h", ".cl", ".py", ".sh"):
            check_length(root, path, complain)
    listed = (root / "tests" / "meson.build").read_text(encoding="utf-8")
    for path in sorted(path for path in (root / "tests").glob("**/test_*") if path.suffix != ".pyc"):
        name = re.sub(r"^test_|\.\w+$", "", path.name)
        if f"'{name}'" not in listed and f"test_{name}." not in listed:
            complain(path, "is not run: tests/meson.build does not name it")
    print("\n".join(problems))
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
