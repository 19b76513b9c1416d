"""The benches' work in PyTorch, for rounds.py: as a user would call it."""
import torch
import torch.nn.functional as F

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


def reduced(fn, name):
    """fn over the dimension that the case's name tells."""
    if name.endswith("all"):
        return fn
    dim = -1 if name.startswith("rows") else 1 if name.startswith("middle") else 0
    return lambda x: fn(x, dim)


ROWS = {
    "add": lambda x, o: x + o, "sub": lambda x, o: x - o, "mul": lambda x, o: x * o, "div": lambda x, o: x / o,
    "maximum": torch.maximum, "minimum": torch.minimum, "add_scalar": lambda x: x + 0.5, "mul_scalar": lambda x: x * 0.5,
    "neg": torch.neg, "abs": torch.abs, "exp": torch.exp, "log": torch.log, "sqrt": torch.sqrt, "rsqrt": torch.rsqrt,
    "square": torch.square, "sin": torch.sin, "cos": torch.cos, "tanh": torch.tanh, "sigmoid": torch.sigmoid,
    "relu": torch.relu, "leaky_relu": lambda x: F.leaky_relu(x, 0.2), "gelu": F.gelu, "silu": F.silu, "mish": F.mish,
    "softplus": F.softplus, "clamp": lambda x: torch.clamp(x, 0.25, 0.75), "pow": lambda x: torch.pow(x, 1.5), "pow_tensor": torch.pow,
    "log1p": torch.log1p, "expm1": torch.expm1, "erf": torch.erf, "reciprocal": torch.reciprocal, "sign": torch.sign,
    "floor": torch.floor, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "elu": lambda x: F.elu(x, 0.7),
    "scalar_pow": lambda x: torch.pow(2.0, x), "where": lambda c, x, o: torch.where(c != 0, x, o),
}
NORMS = {
    "layer_norm": lambda x, g, b: F.layer_norm(x, g.shape, g, b),
    "batch_norm": lambda x, g, b: F.batch_norm(x, None, None, g, b, True),
    "group_norm": lambda x, g, b: F.group_norm(x, 8, g, b),
}
LOSSES = {
    "bce_with_logits_loss": F.binary_cross_entropy_with_logits, "bce_loss": F.binary_cross_entropy, "mse_loss": F.mse_loss, "l1_loss": F.l1_loss,
}
IMAGES = {
    "max_pool2d": lambda x: F.max_pool2d(x, 2), "avg_pool2d": lambda x: F.avg_pool2d(x, 2),
    "upsample": lambda x: F.interpolate(x, scale_factor=2),
    "conv2d": lambda x, w: F.conv2d(x, w, None, 2 if w.shape[-1] == 4 else 1, 1),
    "conv_transpose2d": lambda x, w: F.conv_transpose2d(x, w, None, 2, 1),
}
COPIES = {
    "copy_transposed": lambda x: x.t().contiguous(), "copy_slice": lambda x: x[:, 1::2].contiguous(),
    "pad": lambda x: F.pad(x, (3, 3)), "dropout": lambda x: F.dropout(x, 0.5, True),
}


def function(family, name):
    if family in ("sum", "mean", "amax", "argmax", "var"):
        return reduced(getattr(torch, family), name)
    if family in ("softmax", "log_softmax"):
        return reduced(getattr(F, family), name)
    if family == "norm":
        return torch.linalg.vector_norm
    if family == "cat":
        return lambda x, o: torch.cat([x, o], 0 if name.endswith("rows") else 1)
    if family == "linear_act":
        return lambda *a: F.leaky_relu(F.linear(*a), 0.2)
    known = {**ROWS, **NORMS, **IMAGES, **COPIES, **LOSSES, "linear": F.linear, "matmul": torch.matmul}
    return known.get(family)


def op(family, name, backward, shapes):
    fn = function(family, name)
    if fn is None:
        return None
    x = [torch.rand(s) * 0.9 + 0.05 for s in shapes]
    if not backward:
        return no_grad(lambda: fn(*x))
    wanted = [t.requires_grad_() for t in x[:1 if family in (*ROWS, *LOSSES) else len(x)]]
    if family == "where":
        wanted = [x[1].requires_grad_()]
    if family == "add" and name != "each element":
        wanted = [x[1].requires_grad_()]
    y = fn(*x)
    g = torch.full_like(y, 0.5)
    return lambda: torch.autograd.grad(y, wanted, g, retain_graph=True)
