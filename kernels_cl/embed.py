#!/usr/bin/env python3
"""Writes a C file with each OpenCL source as a byte array, by the contract of lib/kernel/sources.h.

Each text but a template's (.clt) starts with a #line directive, so that build logs name the file, and ends with a NUL that `size`
leaves out. A line #include "NAME" is replaced by that file, of the same folder, of this one or of lib: drivers have no include path.
Sources are known by their base names, which differ. A function of math/ (.clm) is written once and stands twice, for floats and, where
VW is 16, for vectors; behind what it includes. "CLG_KERNEL void NAME(PARAMETERS)" gets the parameters' names behind it, for
common.cl; those of a macro X_ARGS among them are X_NAMES, which follows it. A condition may ask only for what the host defines or
the text has defined, since to a compiler a missing name is 0.
"""
import os
import re
import sys
import textwrap


def array(name, data):
    lines = [f"static const char {name}[] = {{"]
    for at in range(0, len(data), 20):
        lines.append("  " + "".join(f"{byte}," for byte in data[at:at + 20]))
    lines.append("};")
    return "\n".join(lines)


HERE = os.path.dirname(os.path.abspath(__file__))
MATH = os.path.join(HERE, "math")


# What device/program.c defines, before common.cl and what that defines; compilers' own are asked for by defined().
GIVEN = {"CLG_CPU", "CLG_DIVIDES", "CLG_FMA", "CLG_WANT", "REGISTER_LANES", "VW", "WG"}


def found(name, folder):
    places = (os.path.join(place, name) for place in (folder, HERE, MATH, os.path.join(HERE, "..", "lib")))
    return next((place for place in places if os.path.exists(place)), None) or sys.exit(f"{folder}: there is no {name}")


def check_conditions(path, text):
    known = set(GIVEN)
    for line in text.splitlines():
        directive = re.match(r"\s*#\s*(define|if|elif)\s+(.*)", line)
        if directive and directive[1] == "define":
            known.add(re.match(r"\w+", directive[2])[0])
        elif directive:
            asked = re.sub(r"defined\(\w+\)|/\*.*?\*/|CLG_WANT\(\w+\)", "", directive[2])
            for name in set(re.findall(r"[A-Za-z_]\w*", asked)) - known:
                sys.exit(f"{path}: nobody defines {name}, which a condition asks for")


def part_of_math(name):
    with open(os.path.join(MATH, name), encoding="ascii") as file:
        return file.read()


def read_math(path, seen):
    """What the function includes, then itself for each type, once in a program."""
    base = os.path.basename(path)
    guard = "CLG_MATH_" + os.path.splitext(base)[0].upper()
    with open(path, encoding="ascii") as file:
        lines = file.readlines()
    includes = [re.match(r'#include "(.+)"$', line.rstrip()) for line in lines]
    inner = b"".join(read(found(include[1], MATH), seen) for include in includes if include)
    body = "".join("\n" if include else line for line, include in zip(lines, includes))
    forms = [f'{part_of_math(name)}#line 1 "{base}"\n{body}'.encode() for name in ("floats.clh", "vectors.clh")]
    start = f"#ifndef {guard}\n#define {guard}\n".encode()
    return inner + start + forms[0] + b"#if VW == 16\n" + forms[1] + b"#endif\n#endif\n"


def names(parameters, path):
    """Of "float a, const uint n OTHER_ARGS" "a, n OTHER_NAMES"."""
    if re.search(rb"[(#]|/[/*]", parameters):
        sys.exit(f"{path}: a list of parameters has more than those: {parameters.decode()}")
    def name(parameter):
        words = re.findall(rb"\w+", parameter)
        last = len(words) - 1 - (bool(words) and words[-1].endswith(b"_ARGS"))
        return b" ".join(words[max(last, 0):]).replace(b"_ARGS", b"_NAMES")
    return b", ".join(name(parameter) for parameter in parameters.split(b","))


def read(path, seen):
    """The file after a #line directive, its includes in place, each where it is first. One under a condition is for that alone."""
    if path in seen:
        return b""
    seen.add(path)
    base = os.path.basename(path)
    if base.endswith(".clm"):
        return read_math(path, seen)
    text = b"" if base.endswith(".clt") else f'#line 1 "{base}"\n'.encode()
    depth, line = 0, b""
    with open(path, "rb") as file:
        for number, part in enumerate(file, 1):
            line += part if part.endswith(b"\n") else part + b"\n"
            kernel = re.match(rb"CLG_KERNEL void (\w+)\(([^()]*)\)?", line)
            if line.endswith(b"\\\n") or kernel and not kernel[0].endswith(b")"):
                continue
            depth += line.startswith(b"#if") - line.startswith(b"#endif")
            include = re.match(rb'#include "(.+)"$', line.rstrip())
            arguments = re.match(rb"#define (\w+)_ARGS\b(.*)", line, re.S)
            if include:
                line = read(found(include[1].decode(), os.path.dirname(path)), set(seen) if depth else seen)
            elif arguments:
                line += b"#define %s_NAMES %s\n" % (arguments[1], names(arguments[2], path))
            elif kernel:
                listed = textwrap.fill(f"({names(kernel[2], path).decode()})", 118).encode()
                line = b"CLG_KERNEL(%s, (%s),\n%s)%s" % (kernel[1], kernel[2], listed, line[kernel.end():])
            text += line + (f'#line {number + 1} "{base}"\n'.encode() if include or arguments or kernel else b"")
            line = b""
    return text if not line else sys.exit(f"{path}: its last line, or a kernel's list of parameters, does not end")


def main(out, *paths):
    if len({os.path.basename(path) for path in paths}) < len(paths):
        sys.exit("two files of one name")
    arrays, rows = [], []
    for path in paths:
        base = os.path.basename(path)
        text = read(path, set())
        if base.endswith(".clm"):
            text += part_of_math("end.clh").encode()
        # A byte over 127 would not fit a char, and OpenCL C asks for ASCII outside comments.
        if any(byte > 127 or byte == 0 for byte in text):
            sys.exit(f"{path}: not plain ASCII")
        check_conditions(path, text.decode())
        name = "source_" + re.sub(r"\W", "_", base)
        arrays.append(array(name, text + b"\0"))
        wants = str(b"#if CLG_WANT(" in text).lower()
        rows.append(f'  {{"{base}", {name}, sizeof {name} - 1, {wants}}},')
    with open(out, "w", encoding="ascii") as file:
        file.write('#include "kernel/sources.h"\n\n' + "\n\n".join(arrays) + "\n\n")
        file.write("const clg_source clg_sources_cl[] = {\n" + "\n".join(rows) + "\n};\n")
        file.write("const size_t clg_sources_cl_count = sizeof clg_sources_cl / sizeof *clg_sources_cl;\n")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: embed.py OUT.c FILE.cl...")
    main(*sys.argv[1:])
