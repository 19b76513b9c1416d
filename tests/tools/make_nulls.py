#!/usr/bin/env python3
"""Writes a C program that calls every function of the public headers with NULL for each of its pointers in turn, and for all of
them, the other arguments being valid: tests/nulls.h runs the calls. A function whose first argument is the missing one must say so.

usage: make_nulls.py OUTPUT HEADER...
"""
import pathlib
import re
import sys

# A value for a pointer to the type; of nulls.h. Pointers to other types (options, classes) are to a zeroed object.
OBJECTS = {
    "clg_context": "a_context()", "clg_tensor": "a_tensor()", "clg_module": "a_module()", "clg_optim": "an_optim()",
    "clg_scope": "clg_scope_open(a_context())", "clg_ema": "an_ema()", "clg_program": "a_program()", "clg_saver": "a_saver()",
    "clg_loader": "a_loader()", "clg_event": "clg_event_record(a_context())",
    "clg_shard_sum": "a_shard_sum()", "clg_strand": "clg_strand_create(a_context())", "clg_pinned": "clg_pinned_create(a_context(), 64)", "FILE": "stdout", "char": '"x"', "void": "NULL",
}
NEEDS_DEVICE = ("a_saver()", "a_loader()")
# What a missing first argument gives, where it is neither an error, nor NULL, nor nothing.
ELSE = {"clg_scope_close": "CLG_OK", "clg_last_error": None, "clg_scope_close_with": None, "clg_program_name": None}


def declarations(text):
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    text = re.sub(r"^[ \t]*#(?:.*\\\n)*.*$", " ", text, flags=re.M)
    functions = re.findall(r"CLG_API\s+([^;()]*?)(\bclg_\w+)\s*\(([^;]*?)\)\s*;", text, flags=re.S)
    callbacks = set(re.findall(r"typedef[^;{}]*\(\s*\*\s*(\w+)\s*\)\s*\(", text))
    structs = set(re.findall(r"\}\s*(clg_\w+)\s*;", text)) - set(re.findall(r"typedef enum[^;]*?\}\s*(\w+)\s*;", text, flags=re.S))
    return functions, callbacks, structs


def arguments(text):
    parts, depth, part = [], 0, ""
    for c in " ".join(text.split()):
        depth += (c in "([{") - (c in ")]}")
        if c == "," and not depth:
            parts.append(part.strip())
            part = ""
        else:
            part += c
    return [p for p in parts + [part.strip()] if p and p != "void"]


def value(argument, callbacks, structs):
    """A valid value, and whether it is a pointer."""
    if "(*" in argument.replace(" ", ""):
        return "NULL", False
    match = re.match(r"(.*?)(\w+)\s*((?:\[[^\]]*\])*)$", argument)
    stars = match[1].count("*") + match[3].count("[")
    kind = " ".join(re.sub(r"\b(const|struct|enum)\b|\*", " ", match[1]).split())
    if kind in callbacks:
        return "NULL", False
    if kind.startswith("cl_"):
        return ("NULL", True) if not stars else ("NULL", True)
    if stars == 1 and kind in OBJECTS:
        return OBJECTS[kind], True
    if stars == 2 and kind == "clg_tensor":
        return "some_tensors()", True
    if stars == 2:
        return "NULL", True
    if stars:
        return f"({kind}[64]){{0}}", True
    if kind in structs:
        return f"({kind}){{0}}", False
    return {"bool": "false", "float": "0.5f", "double": "0.5"}.get(kind, f"({kind})1"), False


def calls(functions, callbacks, structs):
    for result, name, text in functions:
        given = [value(a, callbacks, structs) for a in arguments(text)]
        pointers = [i for i, (_, pointer) in enumerate(given) if pointer]
        for missing in [[i] for i in pointers] + ([pointers] if len(pointers) > 1 else []):
            values = ["NULL" if i in missing else v for i, (v, _) in enumerate(given)]
            yield " ".join(result.split()), name, values, missing


def statement(result, name, values, missing):
    call = f"{name}({', '.join(values)})"
    if missing[0] or name in ELSE and ELSE[name] is None or result == "void":
        return f"(void){call}"
    if name in ELSE:
        return f"must({call} == {ELSE[name]})"
    if result == "clg_status":
        return f"must({call} != CLG_OK)"
    if result.endswith("*"):
        return f"must_give_nothing({call})"
    return f"(void){call}"


def main():
    text = "".join(pathlib.Path(h).read_text(encoding="utf-8") for h in sys.argv[2:])
    functions, callbacks, structs = declarations(text)
    lines = ["/* Made by make_nulls.py. */", '#include "nulls.h"', ""]
    rows = []
    for i, (result, name, values, missing) in enumerate(calls(functions, callbacks, structs)):
        where = "all pointers" if len(missing) > 1 else f"argument {missing[0] + 1}"
        device = any(v in NEEDS_DEVICE for v in values)
        lines.append(f"static void call_{i}(void) {{ {statement(result, name, values, missing)}; }}")
        rows.append(f'    {{"{name}, {where}", call_{i}, {str(device).lower()}}},')
    lines += ["", "int main(int argc, char **argv) {", "  static const null_call all[] = {"] + rows + ["  };"]
    lines += ["  return run_nulls(argc, argv, all, sizeof all / sizeof *all);", "}", ""]
    pathlib.Path(sys.argv[1]).write_text("\n".join(lines), encoding="utf-8")


main()
