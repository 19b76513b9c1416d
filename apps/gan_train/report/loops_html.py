"""The loop of each variant as HTML: C from the program's own step.c, beside PyTorch from loops.py, lines that detach's has not marked.

step.c has one loop for all variants, which asks a table how the variant differs. Here it is read for one variant at a time: between
the lines "/* [loop */" and "/* loop] */" each question `s->how->NAME` has its answer put in its place, and what can never happen then is
left out.
"""
import ast
import difflib
import html
import re

ROW = re.compile(r"\[VARIANT_(\w+)\] = \{(.*?)\}")
FLAG = re.compile(r"^  bool (\w+);", re.M)
# What an answer makes of the code around it, until nothing changes.
RULES = [
    (r"!TRUE\b", "FALSE"),
    (r"!FALSE\b", "TRUE"),
    (r"\bTRUE && ", ""),
    (r" && TRUE\b", ""),
    (r"^ *if \(FALSE && .*;\n", ""),
    (r"\w+ && FALSE\b", "FALSE"),
    (r"\(TRUE \? ((?:\w|\(\w+\))+) : (?:\w|\(\w+\))+\)", r"\1"),
    (r"\(FALSE \? (?:\w|\(\w+\))+ : ((?:\w|\(\w+\))+)\)", r"\1"),
    (r"\bTRUE \? ([^;:]+) : [^;]+;", r"\1;"),
    (r"\bFALSE \? [^;:]+ : ([^;]+);", r"\1;"),
    (r"^ *if \(FALSE\) [^;{]*;\n", ""),
    (r"\bif \(TRUE\) ", ""),
    (r"^ *s->serves_g = \w+;\n", ""),
    (r"^ *look\(s, .*\n", ""),
    # Of shards alone.
    (r"^ *(?:if \(!has_penalty\(s\)\) )?announce\(s, .*\n", ""),
    (r"^ *how\.grad = s->m->share;\n", ""),
]


def answered(code, flags):
    """The code of a variant: flags are its answers."""
    # one_stage's backward of D serves G in the last of D's steps, which is the only one but for a critic.
    code = re.sub(r"^( *s->serves_g = )s->how->from_d && .*;$", r"\1FALSE;", code, flags=re.M)
    code = re.sub(r"(?<!\w)s->serves_g(?! =)", "TRUE" if flags["from_d"] else "FALSE", code)
    code = re.sub(r"\bs->how->(\w+)", lambda m: "TRUE" if flags[m[1]] else "FALSE", code)
    before = None
    while code != before:
        before = code
        for pattern, to in RULES:
            code = re.sub(pattern, to, code, flags=re.M)
    return code.replace("TRUE", "true").replace("FALSE", "false")


def without_unused(code):
    """Leaves out functions that the variant never calls."""
    functions = re.split(r"\n\n+", code.strip())
    name = lambda f: re.search(r"^static [^(]*?(\w+)\(", f, re.M)[1]
    while True:
        used = [f for f in functions if f is functions[-1] or any(re.search(rf"\b{name(f)}\(", g) for g in functions if g is not f)]
        if len(used) == len(functions):
            return "\n\n".join(functions)
        functions = used


def c_loops(source):
    parts = re.findall(r"^/\* \[loop \*/\n(.*?)^/\* loop\] \*/\n", source, re.M | re.S)
    names = FLAG.findall(source[:source.index("static const manner manners")])
    loops = {}
    for variant, row in ROW.findall(source):
        flags = {name: f".{name} = true" in row for name in names}
        loops[variant.lower()] = without_unused(answered("\n".join(parts), flags))
    return loops


def torch_loops(source):
    # One name for all: it is no difference.
    return {f.name: ast.get_source_segment(source, f).replace(f"def {f.name}(", "def step(", 1) for f in ast.parse(source).body if isinstance(f, ast.FunctionDef)}


def listing(text, base):
    """The lines, those that `base` has not marked."""
    lines, known = text.splitlines(), base.splitlines()
    marked = set()
    for tag, _, _, begin, end in difflib.SequenceMatcher(None, known, lines, autojunk=False).get_opcodes():
        if tag != "equal":
            marked.update(range(begin, end))
    out = ""
    for i, line in enumerate(lines):
        text = html.escape(line, quote=False)
        out += f"<mark>{text}</mark>\n" if i in marked and line.strip() else text + "\n"
    return out


def missing(text, base):
    """The lines of `base` that the text has not."""
    return [line[2:].strip() for line in difflib.ndiff(base.splitlines(), text.splitlines()) if line.startswith("- ")]


def make(step, loops):
    c, torch = c_loops(step), torch_loops(loops)
    out = '<div class="choices" role="radiogroup" aria-label="Variant">\n'
    for i, name in enumerate(c):
        checked = " checked" if name == "retain_graph" else ""
        out += f'<input type="radio" name="code" id="code-{name}"{checked}><label for="code-{name}">{name}</label>\n'
    for name in c:
        out += '<div class="panel"><div class="pair">'
        for title, loop, base in (("PyTorch", torch[name], torch["detach"]), ("C, of this program", c[name], c["detach"])):
            gone = [line for line in missing(loop, base) if line]
            note = "" if loop != base or name == "detach" else " (the same as detach&rsquo;s: what differs is how the networks are made)"
            title += note
            out += f'<figure><figcaption>{title}</figcaption><pre tabindex="0"><code>{listing(loop, base)}</code></pre>'
            if name != "detach" and gone:
                out += "<p class=\"note\">detach&rsquo;s has instead: " + " and ".join(f"<code>{html.escape(line, quote=False)}</code>" for line in gone[:4]) + "</p>"
            out += "</figure>"
        out += "</div></div>\n"
    return out + "</div>\n"
