"""How much of an inner loop is multiply-adds, in PTX and in AMD's assembly.

The loop is a label's block that ends in a branch back to it. All of its instructions count but waits for memory, which do nothing where
there is nothing to wait for; one that does two multiply-adds (AMD's v_pk_fma_f32) counts as the two.
"""
import re

LABEL = re.compile(r"^(\$L\w+|\.LBB\w+):")
ADD_PRODUCT = re.compile(r"^(?:fma\.rn\.f32|v_fma_f32|v_fmac_f32|v_fmac_f32_e\d+|v_mad_f32|v_pk_fma_f32)\b")
WAIT = re.compile(r"^s_(?:waitcnt|nop|clause)")


def instructions(text):
    """(label, "") or (None, instruction) of each line that is either."""
    for line in text.splitlines():
        found = LABEL.match(line)
        if found:
            yield found[1], ""
            continue
        line = re.sub(r"(//|;).*", "", line).strip()
        if line and line[0] not in ".{}#":
            yield None, re.sub(r"^@!?%\w+\s+", "", line)


def shares(text, least):
    """Of each loop of `least` multiply-adds or more, their share."""
    found, loop, work, adds = [], None, 0, 0
    for label, line in instructions(text):
        if label:
            loop, work, adds = label, 0, 0
            continue
        count = 0 if WAIT.match(line) else 2 if line.startswith("v_pk_fma") else 1
        work += count
        adds += count if ADD_PRODUCT.match(line) else 0
        words = line.split()
        if words[-1] == loop and words[0].startswith(("bra", "s_cbranch")):
            if adds >= least:
                found.append(adds / work)
            loop = None
    return found
