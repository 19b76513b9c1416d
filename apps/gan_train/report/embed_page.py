#!/usr/bin/env python3
"""Writes page.html as C: its text as byte arrays, and between them the functions that write what a run gave.

In page.html {{style}} stands for the style sheets, one behind the other, {{script}} for script.js, {{code}} for what loops_html.py makes
of step.c and loops.py, {{style-hash}} and {{script-hash}} for what a content security policy names them by, and {{NAME}} for the function
section_NAME of sections.h.

usage: embed_page.py KERNELS_CL OUT.c page.html script.js loops.py step.c STYLE.css...
"""
import base64
import hashlib
import pathlib
import re
import sys

import loops_html


def read(path):
    return pathlib.Path(path).read_text(encoding="ascii")


def main(embed_folder, out, page, script, loops, step, *styles):
    sys.path.insert(0, embed_folder)
    from embed import array

    known = {"style": "\n".join(map(read, styles)), "script": read(script), "code": loops_html.make(read(step), read(loops))}
    for stem in ("style", "script"):
        known[stem + "-hash"] = "sha256-" + base64.b64encode(hashlib.sha256(known[stem].encode()).digest()).decode()
    text = re.sub(r"\{\{([a-z-]+)\}\}", lambda m: known.get(m[1], m[0]), read(page))
    # Every second piece is the name of a section.
    pieces = re.split(r"\{\{([a-z_]+)\}\}", text)
    arrays, rows = [], []
    for i, piece in enumerate(pieces[::2]):
        arrays.append(array(f"text_{i}", piece.encode() + b"\0"))
        section = "section_" + pieces[2 * i + 1] if 2 * i + 1 < len(pieces) else "NULL"
        rows.append(f"  {{text_{i}, sizeof text_{i} - 1, {section}}},")
    with open(out, "w", encoding="ascii") as file:
        file.write('#include "report/sections.h"\n\n' + "\n\n".join(arrays) + "\n\n")
        file.write("const report_part report_parts[] = {\n" + "\n".join(rows) + "\n};\n")
        file.write("const size_t report_part_count = sizeof report_parts / sizeof *report_parts;\n")


if __name__ == "__main__":
    if len(sys.argv) < 8:
        sys.exit(__doc__)
    main(*sys.argv[1:])
