"""The benches' work in PyTorch, for rounds.py: as a user would call it."""
import torch

from ops_torch import OPS

F32 = torch.float32


def start(threads):
    torch.set_num_threads(threads)
    many = "thread" if threads == 1 else "threads"
    return f"torch-{threads}\tPyTorch {torch.__version__}, {threads} {many}, {torch.backends.cpu.get_cpu_capability()}"


def wait(_):
    pass


def product(ta, tb, m, n, k):
    a = torch.rand(k, m).t() if ta else torch.rand(m, k)
    b = torch.rand(n, k).t() if tb else torch.rand(k, n)
    c = torch.empty(m, n)
    return lambda: torch.mm(a, b, out=c)


def conv(part, transposed, batch, c, o, size, out, stride, padding):
    x, y, w = torch.rand(batch, c, size, size), torch.rand(batch, o, out, out), torch.rand(o, c, 4, 4)
    how = ([stride] * 2, [padding] * 2, [1, 1], bool(transposed), [0, 0], 1)
    given, got = (y, x) if transposed else (x, y)
    if part == ("x" if transposed else "y"):
        return no_grad(lambda: torch.ops.aten.convolution(given, w, None, *how))
    mask = [part != "w", part == "w", False]
    return no_grad(lambda: torch.ops.aten.convolution_backward(got, given, w, None, *how, mask))


def no_grad(run):
    def call():
        with torch.no_grad():
            return run()

    return call


def operand(text):
    """"32,64~-2,2" of floats between these, "32,64<10" of integers, "32,64~-2,2@steps" of a part of another tensor: op_job.c."""
    dims, _, layout = text.partition("@")
    dims, _, below = dims.partition("<")
    dims, _, between = dims.partition("~")
    shape = [int(n) for n in dims.split(",") if n]
    if below:
        return torch.randint(int(below), shape)
    low, high = map(float, between.split(","))

    def uniform(dims):
        return torch.empty(dims).uniform_(low, high)

    if layout == "channels":
        return uniform([shape[0], 2 * shape[1], *shape[2:]])[:, :shape[1]]
    if layout == "heads":
        return uniform([shape[0], shape[2], shape[1], *shape[3:]]).transpose(1, 2)
    if layout == "steps":
        return uniform([shape[0], 4, *shape[1:]])[:, 1]
    return uniform(shape)


def attributes(text):
    """Numbers, or tuples of them, by name; an activation's name with its numbers."""
    given = {}
    for pair in text.split(";") if text else []:
        name, value = pair.split("=")
        words = value.split(",")
        act = words[:1] if name == "act" else []
        numbers = act + [float(v) for v in words[len(act):]]
        given[name] = numbers[0] if len(numbers) == 1 and name not in ("shape", "act") else tuple(numbers)
    return given


def op(name, attrs, backward, operands, wanted):
    """None: there is no such op, or its gradient is the caller's own memory, where ours is a copy: in a graph neither copies."""
    make = OPS.get(name)
    if make is None:
        return None
    fn, x = make(attributes(attrs)), [operand(text) for text in operands]
    if name == "where":
        x[0] = x[0] != 0
    if not backward:
        return no_grad(lambda: fn(*x))
    leaves = [t.detach().requires_grad_() for i, t in enumerate(x) if wanted >> i & 1]
    given = iter(leaves)
    y = fn(*(next(given) if wanted >> i & 1 else t for i, t in enumerate(x)))
    y = y[0] if isinstance(y, tuple) else y
    g = torch.full(y.shape, 0.5)

    def call():
        for leaf in leaves:
            leaf.grad = None
        y.backward(g, retain_graph=True)

    call()
    own = g.untyped_storage().data_ptr()
    return None if any(leaf.grad.untyped_storage().data_ptr() == own for leaf in leaves) else call
