#!/usr/bin/env python3
"""Calls of OpenCL, of files and for memory fail in a whole training that resumes, saves and draws: it ends with an error of one line,
or with what an undisturbed run gives; no file is damaged, an output that cannot be written takes no other with it, and no object and no
memory is left. Then what the host does for a page fails, too.

usage: test_injected_run.py FAULTY_GAN_TRAIN [FAULTS-OF-EACH-FUNCTION]
"""
import json
import pathlib
import shutil
import sys
import tempfile

import gan_runs

CODES = {"clBuildProgram": [-11, -5, -6], "clGetPlatformIDs": [-1001, -6], "clGetDeviceIDs": [-1, -5]}
USUAL = [-5, -4, -6, -38, -2, -36]
OUTPUTS = ["--save", "s.st", "--json", "r.json", "--samples", "p.png"]
RUN = [*gan_runs.SMALL, "--steps", "2", "--save-every", "1", "--samples-every", "1", "--resume", "given.st", *OUTPUTS]
PAGE = ["--report", "r.html"]


def run(program, folder, words, fault=""):
    """In a folder that has a state to resume and one to replace."""
    for path in folder.iterdir():
        path.unlink()
    for name in ("given.st", "s.st"):
        shutil.copy(folder.parent / "given.st", folder / name)
    report = folder.parent / "report.json"
    report.unlink(missing_ok=True)
    status, out, errors = gan_runs.run(program, *words, folder=folder, FAULTY=fault, FAULTY_REPORT=str(report))
    assert report.exists(), f"status {status}, no report: {errors}"
    losses = [line for line in out.decode().splitlines() if line.startswith("losses")]
    return status, losses, errors, json.loads(report.read_text())


def has_lines_of_outputs(errors):
    """One that fails has its line when it does; the run ends with another."""
    return len(errors) > 1 and (errors[-1].endswith("not all outputs could be written") or errors[0].endswith("[in samples]"))


def check_outputs(folder, errors, right):
    """Those that are there are whole; those that are not have their lines."""
    for path in folder.glob("p*.png"):
        assert gan_runs.is_whole_png(path), path.name
    if (folder / "r.json").exists():
        json.loads((folder / "r.json").read_text())
    if (folder / "r.html").exists():
        assert (folder / "r.html").read_bytes().endswith(b"</html>\n"), "half a page"
    if errors and errors[-1].endswith("not all outputs could be written"):
        missing = {path.name for path in right["files"]} - {path.name for path in folder.iterdir()}
        assert len(missing) < len(errors), f"without {missing}: {errors}"


def judge(program, folder, name, fault, right):
    status, losses, errors, report = run(program, folder, right["words"], fault)
    if not report["failed"]:
        return None
    assert status in (0, 1) or (status, errors) == (2, ["gan_train: out of host memory"]), (status, errors)
    # CLBlast has a line of its own about a driver that does not answer.
    assert len(errors) == (status > 0) or has_lines_of_outputs(errors) or name.startswith("clGet"), errors
    if status == 0:
        assert losses == right["losses"], losses
    assert gan_runs.step_of(folder / "s.st") in (1, 2, 3), "the state is damaged"
    check_outputs(folder, errors, right)
    left = {path.name for path in folder.iterdir()} - {path.name for path in right["files"]}
    assert not left, f"left behind: {left}"
    assert report["objects"] == 0, f"{report['objects']} objects are left"
    # The JSON's text is made elsewhere and freed here.
    assert right["memory"] <= report["memory"] <= 0, f"{report['memory']} pieces of memory are left"
    return status


def undisturbed(program, folder, words):
    status, losses, errors, report = run(program, folder, words)
    assert status == 0 and losses and not errors and report["objects"] == 0, (status, errors, report)
    return {"words": words, "losses": losses, "memory": report["memory"], "files": set(folder.iterdir()), "calls": report["calls"]}


def disturb(program, folder, most, right, names, counts):
    """Faults that went wrong; `counts` those of each status."""
    bad = 0
    for name in names:
        calls = right["calls"][name]
        for at in range(1, calls + 1, max(1, calls // most) if most else 1):
            codes = CODES.get(name, USUAL)
            fault = f"{name} {at} {codes[at % len(codes)]} 1"
            try:
                status = judge(program, folder, name, fault, right)
            except AssertionError as wrong:
                bad += 1
                print(f"BAD {fault}: {wrong}")
                continue
            if status is not None:
                counts[status] += 1
    return bad


def main(program, most):
    top = pathlib.Path(tempfile.mkdtemp())
    folder = top / "run"
    folder.mkdir()
    try:
        first = [*gan_runs.SMALL, "--steps", "1", "--save", "given.st"]
        assert gan_runs.run(program, *first, folder=top)[0] == 0
        counts = {0: 0, 1: 0, 2: 0}
        right = undisturbed(program, folder, RUN)
        bad = disturb(program, folder, most, right, list(right["calls"]), counts)
        right = undisturbed(program, folder, [*RUN, *PAGE])
        bad += disturb(program, folder, most, right, [name for name in right["calls"] if not name.startswith("cl")], counts)
        print(f"{sum(counts.values())} faults: {counts[0]} tolerated, {counts[1] + counts[2]} errors; {bad} bad")
        sys.exit(bad != 0)
    finally:
        shutil.rmtree(top)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(str(pathlib.Path(sys.argv[1]).resolve()), int(sys.argv[2]) if len(sys.argv) == 3 else 3)
