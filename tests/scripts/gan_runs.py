"""What the scripts that run gan_train share: a state's step and bytes, whole files, runs in a folder."""
import json
import os
import pathlib
import pty
import signal
import struct
import subprocess

SMALL = ["--data", "ring", "--model", "mlp", "--batch", "16", "--hidden", "16", "--seed", "3", "--quiet"]


def step_of(path):
    """The step of a state; raises when the file is not whole."""
    header, data = read_state(path)
    assert max(row["data_offsets"][1] for row in header.values() if "data_offsets" in row) == len(data)
    return int(header["__metadata__"]["step"])


def read_state(path):
    """Its header and its data."""
    file = pathlib.Path(path).read_bytes()
    (size,) = struct.unpack_from("<Q", file)
    return json.loads(file[8 : 8 + size]), bytearray(file[8 + size :])


def write_state(path, header, data):
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)


def is_whole_png(path):
    return pathlib.Path(path).read_bytes()[-8:-4] == b"IEND"


def run(program, *words, folder, before=None, **variables):
    """Ends with the status, what was printed and the lines of the errors."""
    done = subprocess.run(
        [program, *words], cwd=folder, env={**os.environ, **variables}, preexec_fn=before, capture_output=True, timeout=3600, check=False
    )
    return done.returncode, done.stdout, done.stderr.decode(errors="replace").splitlines()


def listen_to_interrupts():
    """A shell's background jobs ignore SIGINT, those of nohup SIGHUP, and so would what they start."""
    for one in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(one, signal.SIG_DFL)


def has_terminals():
    """Not where /dev/pts is missing, as in a root that debootstrap has just made."""
    try:
        ends = pty.openpty()
    except OSError:
        return False
    for end in ends:
        os.close(end)
    return True
