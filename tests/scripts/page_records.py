"""The records of steps that a page of gan_train --report holds: allocations, releases, changes of role."""
import json
import re

BYTES, ROLE, BEGIN, END = 0, 5, 6, 7


def of_page(path):
    return json.loads(re.search(r'<script type="application/json" id="records">(.*?)</script>', path.read_text(), re.S)[1])


def by_role(record, roles):
    """Bytes by role at each instant, from the items and their changes of role."""
    steps = [dict.fromkeys(roles, 0) for _ in range(record["events"] + 2)]
    changes = {}
    for event, of, role in record["roles"]:
        changes.setdefault(of, []).append((event + 1, role))
    for index, item in enumerate(record["items"]):
        role = item[ROLE]
        steps[item[BEGIN]][roles[role]] += item[BYTES]
        for instant, other in sorted(changes.get(index, [])):
            if item[BEGIN] < instant <= item[END]:
                steps[instant][roles[role]] -= item[BYTES]
                steps[instant][roles[other]] += item[BYTES]
                role = other
        steps[item[END] + 1][roles[role]] -= item[BYTES]
    now = [steps[0]]
    for step in steps[1:-1]:
        now.append({role: now[-1][role] + step[role] for role in roles})
    return now
