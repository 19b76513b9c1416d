#!/usr/bin/env python3
"""Writes a C file with each OpenCL source as a byte array, by the contract of lib/device/sources.h.

Each text starts with a #line directive, so that build logs name the file, and ends with a NUL that `size` leaves out.
"""
import os
import re
import sys


def array(name, data):
    lines = [f"static const char {name}[] = {{"]
    for at in range(0, len(data), 20):
        lines.append("  " + "".join(f"{byte}," for byte in data[at:at + 20]))
    lines.append("};")
    return "\n".join(lines)


def main(out, *paths):
    arrays, rows = [], []
    for path in paths:
        base = os.path.basename(path)
        with open(path, "rb") as file:
            text = file.read()
        # A byte over 127 would not fit a char, and OpenCL C asks for ASCII outside comments.
        if any(byte > 127 or byte == 0 for byte in text):
            sys.exit(f"{path}: not plain ASCII")
        text = f'#line 1 "{base}"\n'.encode() + text
        if not text.endswith(b"\n"):
            text += b"\n"
        name = "source_" + re.sub(r"\W", "_", base)
        arrays.append(array(name, text + b"\0"))
        rows.append(f'  {{"{base}", {name}, sizeof {name} - 1}},')
    with open(out, "w", encoding="ascii") as file:
        file.write('#include "device/sources.h"\n\n' + "\n\n".join(arrays) + "\n\n")
        file.write("const clg_source clg_sources_cl[] = {\n" + "\n".join(rows) + "\n};\n")
        file.write("const size_t clg_sources_cl_count = sizeof clg_sources_cl / sizeof *clg_sources_cl;\n")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: embed.py OUT.c FILE.cl...")
    main(*sys.argv[1:])
