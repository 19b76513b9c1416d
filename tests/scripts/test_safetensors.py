#!/usr/bin/env python3
"""Files go to and fro between the library and the reference implementation of safetensors, NumPy and (where it is there) PyTorch.
Exits with 77, "skipped", without the first two.

usage: test_safetensors.py IO_TOOL
"""
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import safetensors
    from safetensors.numpy import load_file, save_file
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)
try:
    import torch
except ImportError:
    torch = None

STEPS = 3
TOLERANCE = 2e-5


def run(tool, *args):
    done = subprocess.run([tool, *map(str, args)], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr.strip()


def must(tool, *args):
    code, text = run(tool, *args)
    assert code == 0, text


def arrays():
    rng = np.random.default_rng(1)
    shapes = [(), (1,), (7,), (3, 5), (2, 3, 4), (1, 1, 6, 1, 2, 1, 1, 2), (0,), (4, 0, 3)]
    out = {f"t{i}.weight": rng.standard_normal(s).astype(np.float32) for i, s in enumerate(shapes)}
    out |= {f"i{i}": rng.integers(-(2**31), 2**31, s, dtype=np.int32) for i, s in enumerate(shapes)}
    out["bits"] = np.array([0x7FC00001, 0xFF800000, 0x00000001, 0x80000000], dtype=np.uint32).view(np.float32)
    for name in ["", "a\"b\\c/d", "line\nbreak\ttab\x7f\x01", "größe.重み.😀", "x" * 3000]:
        out[name] = np.float32([len(name)])
    return out


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def test_round_trip(tool, folder):
    there, back = folder / "in.safetensors", folder / "out.safetensors"
    tensors = arrays()
    note = "note with \"quotes\", \\, \n and 重み 😀"
    save_file(tensors, there, metadata={"note": note})
    must(tool, "copy", there, back)
    loaded = load_file(back)
    assert loaded.keys() == tensors.keys(), loaded.keys() ^ tensors.keys()
    for name, value in tensors.items():
        assert same_bits(value, loaded[name]), name
    with safetensors.safe_open(back, "numpy") as f:
        assert f.metadata() == {"note": note}
    print(f"{len(tensors)} tensors came back bit for bit")


def test_other_types(tool, folder):
    for kind in (np.float64, np.float16, np.int64, np.uint8, np.bool_):
        path = folder / "other.safetensors"
        save_file({"odd": np.ones(4, kind)}, path)
        code, text = run(tool, "copy", path, folder / "no")
        assert code == 1 and "odd" in text and "only F32 and I32" in text, text
    print("other types are refused by name")


def test_npy(tool, folder):
    there, back = folder / "in.npy", folder / "out.npy"
    count = 0
    for value in arrays().values():
        for version in ((1, 0), (2, 0), (3, 0)):
            with open(there, "wb") as f:
                np.lib.format.write_array(f, value, version=version)
            must(tool, "npy", there, back)
            assert same_bits(np.load(back), value), value.shape
            if version == (1, 0):
                assert back.read_bytes() == there.read_bytes()
            count += 1
    for value in (np.zeros(3), np.zeros((2, 3), np.float32, order="F"), np.zeros(2, ">f4"), np.zeros(2, "f4,i4")):
        np.save(there, value)
        code, text = run(tool, "npy", there, back)
        assert code == 1 and "in.npy" in text, text
    print(f"{count} arrays came back bit for bit")


# ---- PyTorch: the same network and the same steps on both sides ----


def network():
    nn = torch.nn
    return nn.Sequential(nn.Linear(5, 7), nn.LeakyReLU(0.2), nn.LayerNorm(7), nn.Linear(7, 3))


def optimizer(kind, params):
    optim = torch.optim
    return {
        "sgd": lambda: optim.SGD(params, lr=1e-3, momentum=0.9),
        "adam": lambda: optim.Adam(params),
        "adamw": lambda: optim.AdamW(params, amsgrad=True),
        "rmsprop": lambda: optim.RMSprop(params, momentum=0.9, centered=True),
    }[kind]()


def train(net, opt, x):
    for _ in range(STEPS):
        opt.zero_grad()
        net(x).square().mean().backward()
        opt.step()


def contents(net, opt, x):
    out = {"x": x} | {f"model.{k}": v for k, v in net.state_dict().items()}
    for i, state in opt.state_dict()["state"].items():
        for name, value in state.items():
            out[f"optimizer.state.{i}.{name}"] = torch.as_tensor(value)
    return {k: v.detach().clone().contiguous() for k, v in out.items()}


def restore(path, kind):
    """A network and optimizer that PyTorch itself loads from the library's file."""
    from safetensors.torch import load_file as load_torch

    tensors = load_torch(path)
    net = network()
    net.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model.")}, strict=True)
    opt = optimizer(kind, net.parameters())
    whole = opt.state_dict()
    for name, value in tensors.items():
        if name.startswith("optimizer.state."):
            _, _, i, part = name.split(".", 3)
            if part == "step":
                if kind == "sgd":  # which has none in PyTorch
                    continue
                value = int(value) if kind == "rmsprop" else value.to(torch.float32)
            whole["state"].setdefault(int(i), {})[part] = value
    whole["param_groups"][0]["lr"] = tensors["optimizer.param_groups.0.lr"].item()
    opt.load_state_dict(whole)
    return net, opt


def worst(tensors, path):
    ours = load_file(path)
    out = 0
    for name, value in tensors.items():
        if name.startswith("optimizer.state.") and name.endswith(".step"):
            assert int(ours[name]) == int(value), name
            continue
        assert ours[name].shape == tuple(value.shape), name
        out = max(out, float(np.abs(ours[name] - value.numpy()).max()))
    return out


def test_torch(tool, folder, kind):
    from safetensors.torch import save_file as save_torch

    first, second, third = (folder / f"{kind}{i}.safetensors" for i in range(3))
    torch.manual_seed(3)
    net, x = network(), torch.randn(6, 5)
    opt = optimizer(kind, net.parameters())
    train(net, opt, x)
    save_torch(contents(net, opt, x), first)
    must(tool, "train", kind, STEPS, first, second)  # goes on from PyTorch's file
    train(net, opt, x)
    there = worst(contents(net, opt, x), second)
    net, opt = restore(second, kind)  # PyTorch goes on from ours, and ours from ours
    train(net, opt, x)
    must(tool, "train", kind, STEPS, second, third)
    back = worst(contents(net, opt, x), third)
    print(f"{kind}: PyTorch's file continued within {there:.1e}, ours within {back:.1e}")
    assert max(there, back) < TOLERANCE


def main(tool):
    print(f"safetensors {safetensors.__version__}, numpy {np.__version__}, torch {torch and torch.__version__}")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        test_round_trip(tool, folder)
        test_other_types(tool, folder)
        test_npy(tool, folder)
        for kind in ("sgd", "adam", "adamw", "rmsprop") if torch else ():
            test_torch(tool, folder, kind)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
