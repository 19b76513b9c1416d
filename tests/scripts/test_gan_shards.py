#!/usr/bin/env python3
"""gan_train --shards in one process: every variant has detach's bits, every step the plan's memory; the number of shards is in the
state; with 1 shard all is as without.

usage: test_gan_shards.py GAN_TRAIN
"""
import json
import pathlib
import sys
import tempfile

import gan_runs

program = None
folder = None
OTHER = {"polluted", "one_stage", "naive", "stale"}
DCGAN = ["--model", "dcgan", "--image-size", "16", "--ngf", "4", "--ndf", "4", "--batch", "16"]
MODELS = {
    "mlp": ["--data", "ring", "--hidden", "32", "--batch", "16"],
    "mlp, remat": ["--data", "ring", "--hidden", "32", "--batch", "16", "--remat"],
    "wgan_gp": ["--model", "wgan_gp", "--data", "ring", "--hidden", "32", "--batch", "16", "--critic-steps", "2"],
    "dcgan": ["--model", "dcgan", "--image-size", "8", "--ngf", "4", "--ndf", "4", "--batch", "16", "--conditional"],
    "dcgan, synchronised": [*DCGAN, "--sync-batch-norm"],
}


def run(*words):
    return gan_runs.run(program, *words, "--quiet", folder=folder)


def figures(*words):
    status, _, err = run(*words, "--json", "figures.json")
    assert status == 0, (words, status, err)
    return json.loads((folder / "figures.json").read_text(encoding="utf-8"))


def check_variants():
    for name, words in MODELS.items():
        if "dcgan" in words and not pathlib.Path("/usr/share/datasets/fashion-mnist").is_dir():
            continue
        found = figures(*words, "--shards", "4", "--steps", "3", "--compare")
        assert found["shards"] == 4
        for v in found["variants"]:
            what = (name, v["name"])
            if v["name"] not in OTHER:
                assert v["weights"]["bit_identical"], what
            assert v["predicted_peak_live_bytes"] == v["peak_live_bytes"], what
            assert v["predicted_peak_reserved_bytes"] == v["peak_reserved_bytes"], what
            assert (v["status"] == "error") == (v["name"] in ("naive", "stale")), what


def check_numbers():
    small = MODELS["mlp"]
    losses = {n: figures(*small, "--steps", "3", "--shards", n)["variants"][0]["losses"] for n in ("1", "2", "8")}
    assert figures(*small, "--steps", "3")["variants"][0]["losses"] == losses["1"], "one shard is none"
    assert losses["1"] != losses["2"] != losses["8"], "each shard has noise of its own"
    status, out, err = run(*small, "--plan", "--compare", "--shards", "2")
    assert status == 0 and b"batch 16 in 2 shards\n" in out, (out, err)
    for words, part in ((["--shards", "3"], "power of two"), (["--shards", "32"], "does not divide into 32 shards"), (["--shards", "0"], "whole number")):
        status, _, err = run(*small, *words)
        assert status == 2 and part in err[0], (words, status, err)


def check_synchronised():
    """The first loss of real images, whose batch norms know no noise, is the whole batch's; and what does not go together."""
    first = {}
    for name, words in {"whole": [], "shards": ["--shards", "4"], "synchronised": ["--shards", "4", "--sync-batch-norm"]}.items():
        first[name] = figures(*DCGAN, "--steps", "2", *words, "--save", name)["variants"][0]["losses"]["d_real"][0]
    assert abs(first["synchronised"] - first["whole"]) < 1e-6 < abs(first["shards"] - first["whole"]), first
    for words, code, part in (
        (["--resume", "shards", "--shards", "4", "--sync-batch-norm"], 1, "shards 4, synchronised batch norm"),
        (["--resume", "synchronised", "--shards", "4"], 1, "shards 4, synchronised batch norm"),
        (["--sync-batch-norm"], 1, "give --shards"),
        (["--sync-batch-norm", "--shards", "4", "--trace", "trace"], 2, "--trace"),
        (["--sync-batch-norm", "--shards", "4", "--model", "mlp"], 2, "no batch norm"),
    ):
        images = [] if "mlp" in words else DCGAN
        status, _, err = run(*images, "--data", "fashion-mnist", "--steps", "2", *words)
        assert status == code and len(err) == 1 and part in err[0], (words, status, err)


def check_states():
    small = [*MODELS["mlp"], "--shards", "4"]
    whole = figures(*small, "--steps", "6", "--save", "whole")["variants"][0]["losses"]
    figures(*small, "--steps", "3", "--save", "half")
    rest = figures(*small, "--steps", "3", "--resume", "half", "--save", "rest")["variants"][0]["losses"]
    assert (folder / "rest").read_bytes() == (folder / "whole").read_bytes()
    assert rest["g"] == whole["g"][3:]
    for shards in ("1", "2"):
        status, _, err = run(*MODELS["mlp"], "--shards", shards, "--steps", "3", "--resume", "half")
        assert status == 1 and "shards 4" in err[0], (status, err)


def main():
    global program, folder
    program = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        check_numbers()
        check_states()
        if pathlib.Path("/usr/share/datasets/fashion-mnist").is_dir():
            check_synchronised()
        check_variants()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main()
