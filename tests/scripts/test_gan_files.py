#!/usr/bin/env python3
"""Files of gan_train: outputs that would fall on inputs, names that are no text, outputs that fail, numbers that are none, data under
other names, pictures that are left out, and the progress line.

usage: test_gan_files.py GAN_TRAIN
"""
import fcntl
import html
import json
import os
import pathlib
import pty
import resource
import shutil
import signal
import struct
import sys
import tempfile
import termios
import zlib

import gan_runs

program = None
folder = None


def run(*words, **more):
    return gan_runs.run(program, *words, folder=more.pop("cwd", folder), **more)


def small(*words, **more):
    return run(*gan_runs.SMALL, *words, **more)


def write_png(path, grey):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    rows = (b"\0" + bytes([grey]) * 8) * 8
    pathlib.Path(os.fsdecode(path)).write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def make_pictures(where, names=("1.png", "2.png", "3.png", "4.png")):
    os.makedirs(where)
    for i, name in enumerate(names):
        write_png(os.path.join(where, os.fsencode(name) if isinstance(where, bytes) else name), 50 * i)


PICTURES = ["--batch", "4", "--hidden", "8", "--image-size", "8", "--quiet"]


def refused(*words, part):
    """A command line that is wrong: one line, before anything is done."""
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    status, out, err = run("--steps", "10000000", *words)
    assert status == 2 and not out and len(err) == 1 and part in err[0], (words, status, err)
    assert before == {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def outputs_never_fall_on_inputs():
    make_pictures(folder / "pics", [f"face-00000{i}.png" for i in range(1, 5)])
    numbered = ["--samples-every", "2"]
    refused("--data", "pics", "--samples", "pics/face.png", *numbered, part="--samples names a file of --data")
    os.symlink("pics/face-000002.png", folder / "out-000004.png")
    refused("--data", "pics", "--samples", "out.png", *numbered, part="--samples-every names a file of --data")
    os.link(folder / "pics/face-000002.png", folder / "hard-000004.png")
    refused("--data", "pics", "--samples", "./hard.png", *numbered, part="--samples-every names a file of --data")
    for option in ("--json", "--report", "--trace"):
        refused("--data", "pics", option, "pics/new.png", part=option + " names a file of --data")
    for name in ("x-000002.png", "x-000002.png.tmp", "x-12345678.png"):
        (folder / name).write_bytes(b"a state")
        ring = ["--data", "ring", "--samples", "x.png"]
        refused(*ring, *numbered, "--resume", name, part="--resume and")
        refused(*ring, *numbered, "--save", name, part="--samples-every and --save name the same file")
        refused(*ring, *numbered, "--json", "../" + folder.name + "/" + name, part="name the same file")
        (folder / name).unlink()
        refused(*ring, *numbered, "--save", name, part="--samples-every and --save name the same file")
        refused(*ring, "--save", name + ".tmp", "--json", name, part="FILE.tmp of --json and --save name the same file")
    for name in ("x-00002.png", "x-000002.jpg", "x000002.png", "y-000002.png", "x-000002.png.st"):
        status, _, err = small("--steps", "1", "--samples", "x.png", *numbered, "--save", name)
        assert status == 0, err
    # A run may go on in its own file.
    status, _, err = small("--steps", "1", "--resume", "y-000002.png", "--save", "y-000002.png")
    assert status == 0, err


def names_need_not_be_text():
    long = "/".join(["ü" * 100 + str(i) for i in range(3)])
    for name in (b"pics-\xe4", b"\xff\xfe\x1b[31m", long.encode(), "語".encode()):
        make_pictures(os.path.join(os.fsencode(folder), name))
        status, _, err = run("--data", name, *PICTURES, "--steps", "2", "--save", "n.st", "--json", "n.json", "--samples", "n.png", "--report", "n.html")
        assert status == 0, err
        shown = json.loads((folder / "n.json").read_text())["data"]
        assert shown == (name.decode() if name in (long.encode(), "語".encode()) else shown), shown
        assert "\\xE4" in shown or name != b"pics-\xe4"
        page = (folder / "n.html").read_text(encoding="utf-8")
        assert page.endswith("</html>\n") and html.escape(shown.replace("\x1b", "?")) in page
        assert gan_runs.step_of(folder / "n.st") == 2 and gan_runs.is_whole_png(folder / "n.png")
        for file in ("n.st", "n.json", "n.png", "n.html"):
            (folder / file).unlink()
        # One line, no control character, nothing cut inside a character.
        status, _, err = run("--data", name + b"/" + b"\xc3\xa9" * 1500)
        assert status == 1 and len(err) == 1 and not any(ord(c) < 32 or ord(c) == 127 for c in err[0]), err
        assert name not in (long.encode(), "語".encode()) or "\ufffd" not in err[0], err


def one_output_fails(*words, others, part, **more):
    for file in others:
        (folder / file).unlink(missing_ok=True)
    status, _, err = small("--steps", "4", *words, **more)
    assert status == 1 and any(part in line for line in err), (words, status, err)
    for file in others:
        data = (folder / file).read_bytes()
        assert gan_runs.step_of(folder / file) == 4 if file.endswith(".st") else data, file
    left = [p.name for p in folder.iterdir() if p.name.endswith(".tmp")]
    assert not left, left


def outputs_fail_alone():
    all_of = ["--save", "o.st", "--json", "o.json", "--samples", "o.png", "--report", "o.html"]

    # Room for what the driver's compiler writes, not for this state.
    def full_disk():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))

    large = [*all_of, "--hidden", "256"]
    one_output_fails(*large, before=full_disk, others=["o.json", "o.png", "o.html"], part="cannot write o.st: File too large")
    one_output_fails(*large, "--save-every", "1", before=full_disk, others=["o.json", "o.png", "o.html"], part="cannot write o.st")
    one_output_fails("--save", "o.st", "--json", "/dev/full", "--samples", "o.png", others=["o.st", "o.png"], part="No space left")
    # Pictures of noise, and the page that holds one.
    make_pictures(folder / "noise")
    noise = ["--data", "noise", "--batch", "4", "--hidden", "8", "--image-size", "256", "--steps", "2", "--quiet"]
    status, _, err = run(*noise, "--samples", "p.png", "--report", "p.html", "--json", "p.json", before=full_disk)
    err = [line for line in err if line.startswith("gan_train:")] # a driver may tell of the signal
    assert status == 1 and [f"cannot write p.{end}: File too large" in line for line, end in zip(err, ("html", "png"))] == [True] * 2, err
    assert json.loads((folder / "p.json").read_text()) and not (folder / "p.html").exists()
    os.mkfifo(folder / "o-000002.png")
    one_output_fails(*all_of, "--samples-every", "2", others=["o.st", "o.json", "o.png", "o.html", "o-000004.png"], part="o-000002.png")
    (folder / "o-000002.png").unlink()
    # The reader has gone: what is written to it is lost, the rest is not.
    (folder / "o.png").unlink()
    reader, writer = os.pipe()
    os.close(reader)
    pid = os.spawnve(
        os.P_NOWAIT,
        "/bin/sh",
        ["sh", "-c", f'cd "$0" && exec "$@" >&{writer} 2> /dev/null', str(folder), program, *gan_runs.SMALL, "--steps", "3", "--json", "-", "--samples", "o.png"],
        dict(os.environ),
    ) if os.set_inheritable(writer, True) is None else None
    os.close(writer)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1 and gan_runs.is_whole_png(folder / "o.png")


def spoil(state, name, value):
    header, data = gan_runs.read_state(folder / state)
    begin = header[name]["data_offsets"][0]
    data[begin : begin + 4] = struct.pack("<f", value)
    gan_runs.write_state(folder / "spoilt.st", header, data)


def numbers_that_are_none_are_no_success():
    nan, infinity = float("nan"), float("inf")
    assert small("--steps", "3", "--save", "good.st")[0] == 0
    names = [n for n in gan_runs.read_state(folder / "good.st")[0] if n != "__metadata__"]
    weight = next(n for n in names if n.startswith("D.") and n.endswith("weight"))
    generator = next(n for n in names if n.startswith("G.") and n.endswith("weight"))
    moment = next(n for n in names if n.startswith("optim_G.") and n.endswith("exp_avg"))
    square = next(n for n in names if n.startswith("optim_D.") and n.endswith("exp_avg_sq"))
    good = (folder / "good.st").read_bytes()
    # In losses at once; in weights or moments, after finite losses.
    for name, value in ((weight, nan), (generator, nan), (weight, infinity), (moment, nan), (square, infinity)):
        for steps, every in (("1", "100"), ("5", "1"), ("5", "100")):
            spoil("good.st", name, value)
            (folder / "kept.st").write_bytes(good)
            (folder / "nan.png").unlink(missing_ok=True)
            outputs = ["--save", "kept.st", "--save-every", every, "--json", "nan.json", "--samples", "nan.png"]
            status, _, err = small("--steps", steps, "--resume", "spoilt.st", *outputs)
            assert status == 1 and len(err) == 1 and ("finite" in err[0] or "NaN" in err[0]), (name, value, status, err)
            assert (folder / "kept.st").read_bytes() == good, name
            (variant,) = json.loads((folder / "nan.json").read_text())["variants"]
            assert variant["status"] == "error" and variant["error"], variant["status"]
            assert not (folder / "nan.png").exists()
    spoil("good.st", generator, nan)
    status, out, err = small("--steps", "2", "--resume", "spoilt.st")
    assert status == 1 and not out and len(err) == 1, (status, err)


def data_is_known_by_content():
    make_pictures(folder / "a")
    train = [*PICTURES, "--steps", "1"]
    assert run("--data", "a", *train, "--save", "a.st")[0] == 0
    for name in ("a/", "./a", str(folder / "a")):
        assert run("--data", name, *train, "--resume", "a.st")[0] == 0, name
    (folder / "a").rename(folder / "b")
    assert run("--data", "b", *train, "--resume", "a.st", "--save", "b.st")[0] == 0
    make_pictures(folder / "a")
    assert run("--data", "a", *train, "--resume", "b.st")[0] == 0
    write_png(folder / "a" / "2.png", 51)
    status, _, err = run("--data", "a", *train, "--resume", "a.st")
    assert status == 1 and len(err) == 1 and "is of another run" in err[0], err


def pictures_can_be_left_out():
    make_pictures(folder / "c")
    (folder / "c" / "0.png").write_bytes(b"no picture")
    status, _, err = run("--data", "c", *PICTURES, "--steps", "1")
    assert status == 1 and len(err) == 1 and "c/0.png: neither" in err[0], err
    status, _, err = run("--data", "c", *PICTURES, "--steps", "1", "--skip-unreadable", "--json", "c.json")
    assert status == 0 and len(err) == 1 and "1 of 5 pictures" in err[0] and "c/0.png: neither" in err[0], err
    assert json.loads((folder / "c.json").read_text())["skipped"] == 1


def on_terminal(columns, **variables):
    """All that a run writes to a terminal of that width."""
    pid, fd = pty.fork()
    if not pid:
        os.environ.update(variables)
        words = ["--data", "ring", "--model", "mlp", "--batch", "64", "--hidden", "16", "--steps", "300"]
        os.execv("/bin/sh", ["sh", "-c", f'stty cols {columns}; exec "$@" > /dev/null', "sh", program, *words])
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    out = b""
    try:
        while part := os.read(fd, 65536):
            out += part
    except OSError:
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    return out


def progress_fits_the_terminal():
    for columns in (1, 10, 20, 40, 80, 1000):
        for variables in ({"TERM": "dumb"},) if columns == 20 else ({},):
            out = on_terminal(columns, **variables)
            assert b"\x1b" not in out, out
            lines = out.replace(b"\n", b"\r").split(b"\r")
            widest = max(map(len, lines))
            assert widest < columns and (columns < 20 or any(b"300/300" in line for line in lines)), (columns, widest)
            assert columns < 40 or any(b"ms/step" in line for line in lines), columns
            assert columns < 80 or any(b"  D 0." in line for line in lines), columns


def main():
    global program, folder
    program = str(pathlib.Path(sys.argv[1]).resolve())
    parts = [
        outputs_never_fall_on_inputs,
        names_need_not_be_text,
        outputs_fail_alone,
        numbers_that_are_none_are_no_success,
        data_is_known_by_content,
        pictures_can_be_left_out,
        progress_fits_the_terminal,
    ]
    if not gan_runs.has_terminals():
        parts.remove(progress_fits_the_terminal)
        print("skipped progress_fits_the_terminal: no pseudo-terminals here")
    for part in parts:
        folder = pathlib.Path(tempfile.mkdtemp())
        try:
            part()
        finally:
            shutil.rmtree(folder)
        print("ok", part.__name__)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main()
