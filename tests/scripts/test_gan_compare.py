#!/usr/bin/env python3
"""What a comparison of gan_train says: figures that belong together, verdicts that follow from the times, pairs on a small device.

usage: test_gan_compare.py GAN_TRAIN [LIAR.so]
"""
import json
import math
import os
import pathlib
import re
import statistics
import struct
import subprocess
import sys
import tempfile

RING = ["--data", "ring", "--model", "mlp", "--batch", "16", "--hidden", "16", "--quiet"]
MUST_FAIL = {"naive", "stale"}
MEMORY = ["peak_live_bytes", "peak_reserved_bytes", "peak_saved_bytes", "predicted_peak_live_bytes",
          "predicted_peak_reserved_bytes", "peak_by_role", "phases"]


def compare(program, folder, *words, **variables):
    """The report, by variant too, and what was printed."""
    report = folder / "report.json"
    done = subprocess.run([program, *words, "--json", report], env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    all_of_it = json.loads(report.read_text())
    return all_of_it, {v["name"]: v for v in all_of_it["variants"]}, done.stdout


def make_images(folder):
    """16 of 8 x 8, in the format of MNIST."""
    folder.mkdir()
    (folder / "train-images-idx3-ubyte").write_bytes(struct.pack(">4I", 2051, 16, 8, 8) + bytes(range(256)) * 4)
    return ["--data", str(folder), "--batch", "4", "--hidden", "16", "--quiet"]


def verdict(timing, floor):
    """What its p and ratio say."""
    if timing["blocks"] < 8:
        return "too few blocks to tell"
    if timing["p"] >= 0.01 or abs(math.log(timing["ratio"])) <= abs(math.log(floor)):
        return "no measurable difference"
    return "faster" if timing["ratio"] < 1 else "slower"


def times_belong_together(program, folder):
    report, variants, out = compare(program, folder, *RING, "--compare", "--steps", "40")
    floor = report["control"]["ratio"]
    assert not report["timed_in_pairs"]
    detach = variants["detach"]["timing"]["ms"]
    for name, v in variants.items():
        if name in MUST_FAIL:
            assert v["timing"] is None and v["step_ms"] is None
            continue
        timing, ms = v["timing"], v["timing"]["ms"]
        assert (timing["blocks"], timing["steps_per_block"]) == (20, 2) and len(ms) == 20, timing
        assert timing["detach_ms"] == detach
        assert math.isclose(v["step_ms"]["median"], statistics.median(ms), rel_tol=1e-6)
        assert min(ms) <= v["step_ms"]["low"] <= v["step_ms"]["median"] <= v["step_ms"]["high"] <= max(ms)
        assert math.isclose(timing["ratio"], statistics.median(a / b for a, b in zip(ms, detach)), rel_tol=1e-6)
        assert timing["verdict"] == verdict(timing, floor), (name, timing["verdict"])
        row = re.search(rf"^{name} .*", out, re.M)[0]
        assert {"faster": "faster", "slower": "slower"}.get(timing["verdict"], "not measurable") in row or name == "detach", row
    for line in ("Correctness  ", "Speed        ", "Memory       "):
        assert f"\n{line}" in out, line
    assert out.index("Correctness") < out.index("variant  ")
    least = re.search(r"; least: (\w+) ", out)
    prose = " ".join(out.split())
    assert (f"The lowest peak is {least[1]}'s" if least else "No peak is lower") in prose, "the lines and the sentences agree"
    assert all(text.split(";")[0] in out for text in report["summary"].values())


def few_steps_tell_nothing(program, folder):
    _, variants, out = compare(program, folder, *RING, "--variants", "detach,inputs", "--steps", "4")
    assert variants["inputs"]["timing"]["verdict"] == "too few blocks to tell" and "too few blocks" in out
    assert "no measurable" not in out


def another_algorithm_is_marked(variants, out):
    for name, v in variants.items():
        assert v["another_algorithm"] == (name == "one_stage")
        assert (v["weights"] is None) == (name in MUST_FAIL | {"one_stage"}), name
    assert "(another)" in re.search(r"^one_stage .*", out, re.M)[0]
    assert re.search(r"^polluted .* [0-9.]+e[-+]\d+", out, re.M)


def samples_leave_memory_alone(program, folder):
    words = [*make_images(folder / "images"), "--compare", "--steps", "8"]
    _, plain, out = compare(program, folder, *words)
    another_algorithm_is_marked(plain, out)
    samples, on_the_way = ["--samples", str(folder / "s.png")], ["--samples-every", "3"]
    for more in (samples, samples + on_the_way):
        _, seen, _ = compare(program, folder, *words, *more)
        for name, v in plain.items():
            different = [key for key in MEMORY if v[key] != seen[name][key]]
            assert not different, (more, name, different)
    shares = {name: v["saved_share_of_peak"] for name, v in plain.items()}
    for name, v in plain.items():
        assert math.isclose(shares[name], v["peak_by_role"]["saved"] / v["peak_live_bytes"], rel_tol=1e-6)
    return plain


def saved_by_phase(variant):
    return {phase["name"]: phase["saved_bytes"] for phase in variant["phases"]}


def phases_show_what_the_peak_hides(program, folder, plain):
    """A frozen discriminator saves less in the generator's half, though its peak may be another half's."""
    assert saved_by_phase(plain["frozen_d"])["G: D forward"] < saved_by_phase(plain["detach"])["G: D forward"]
    _, variants, out = compare(program, folder, *RING, "--variants", "detach,frozen_d,one_stage", "--steps", "3", "--wide")
    wide = out[out.index("MiB of saved tensors when each phase ends") :].splitlines()
    phases = [name for name in saved_by_phase(variants["detach"]) if " " in name]
    assert len(wide[3].split()) == 3 + len(phases), wide[3]
    for line, name in zip(wide[3:], ("detach", "frozen_d", "one_stage")):
        saved = saved_by_phase(variants[name])
        want = [f"{saved[phase] / 2**20:.2f}" if phase in saved else "-" for phase in phases]
        assert line.split()[0] == name and line.split()[3:] == want, (line, want)


def ring_modes_stand_beside(program, folder):
    _, variants, out = compare(program, folder, *RING, "--compare", "--steps", "8")
    for name, v in variants.items():
        row = re.search(rf"^{name} .*", out, re.M)[0]
        assert (v["ring"] is None) == (name in MUST_FAIL)
        assert name in MUST_FAIL or row.endswith(f" {v['ring']['modes_covered']}/8"), row


def small_devices_take_pairs(program, folder, liar):
    words = [*RING, "--variants", "detach,inputs,no_grad", "--steps", "20"]
    _, variants, _ = compare(program, folder, *words)
    one = max(v["peak_reserved_bytes"] for v in variants.values())
    for room, paired in ((5, False), (2.5, True), (1.5, True)):
        preload = ":".join(filter(None, [liar, os.environ.get("LD_PRELOAD")]))
        report, variants, out = compare(program, folder, *words, LD_PRELOAD=preload, LIE=f"memory={int(room * one)}")
        assert report["timed_in_pairs"] == paired, room
        for name in ("inputs", "no_grad"):
            timing = variants[name]["timing"]
            if room < 2:
                assert "no room" in timing["error"] and f"{name} was not timed beside detach" in out, (room, timing)
            else:
                assert len(timing["ms"]) == len(timing["detach_ms"]) == 20
            assert variants[name]["step_ms"]["median"] > 0
        same = variants["inputs"]["timing"].get("detach_ms") == variants["no_grad"]["timing"].get("detach_ms")
        assert room < 2 or same != paired, "rounds are shared, or each has its own"


def main(program, liar=None):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        times_belong_together(program, folder)
        few_steps_tell_nothing(program, folder)
        plain = samples_leave_memory_alone(program, folder)
        phases_show_what_the_peak_hides(program, folder, plain)
        ring_modes_stand_beside(program, folder)
        if liar:
            small_devices_take_pairs(program, folder, liar)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*(str(pathlib.Path(word).resolve()) for word in sys.argv[1:]))
