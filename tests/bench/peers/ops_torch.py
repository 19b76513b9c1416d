"""Every op of the op table in PyTorch: from a row's attributes (those that are not 0) the function of its operands."""
import torch
import torch.nn.functional as F


def two(a, name, usual):
    return tuple(int(v) or usual for v in a.get(name, (usual, usual)))


def dims(a):
    """Which dimensions; none: all."""
    count, *at = (int(v) for v in a.get("dims", (0, 0)))
    return tuple(at[:count]) or None


def dim(a):
    return int(a.get("dims", (0, 0))[1])


def shape(a):
    return tuple(int(v) for v in a["shape"])


def plain(fn):
    return lambda a: fn


def reduced(fn):
    def make(a):
        d = dims(a)
        return fn if d is None else lambda x: fn(x, d)

    return make


def along(fn):
    return lambda a: lambda x: fn(x, dim(a))


def norm(a):
    return lambda x: torch.linalg.vector_norm(x, a["order"], dims(a))


def conv(a):
    return lambda x, w: F.conv2d(x, w, None, two(a, "stride", 1), two(a, "padding", 0), two(a, "dilation", 1), int(a.get("groups", 1)))


def conv_transpose(a):
    return lambda x, w: F.conv_transpose2d(x, w, None, two(a, "stride", 1), two(a, "padding", 0))


def pool(fn):
    def make(a):
        k = two(a, "kernel", 1)
        s = tuple(int(s) or n for s, n in zip(a.get("stride", k), k))
        return lambda x: fn(x, k, s, two(a, "padding", 0))

    return make


def matmul(a):
    return lambda x, o: torch.matmul(x.transpose(-1, -2) if "ta" in a else x, o.transpose(-1, -2) if "tb" in a else o)


def pad(a):
    at = dim(a)
    return lambda x: F.pad(x, [0, 0] * (x.dim() - 1 - at) + [int(a.get("start", 0)), int(a.get("stop", 0))])


def narrow(a):
    return lambda x: x.narrow(dim(a), int(a.get("start", 0)), int(a["length"]))


def strided(a):
    start, stop, step = (int(a.get(k, 0)) for k in ("start", "stop", "step"))
    return lambda x: x[(slice(None),) * dim(a) + (slice(start, stop, step),)]


def part(cut):
    return lambda a: lambda x: cut(x, a)[int(a.get("part", 0))]


def maker(fn):
    return lambda a: lambda: fn(shape(a), a)


OPS = {
    # elementwise
    **{name: plain(fn) for name, fn in {
        "add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "maximum": torch.maximum, "minimum": torch.minimum,
        "neg": torch.neg, "abs": torch.abs, "exp": torch.exp, "log": torch.log, "sqrt": torch.sqrt, "rsqrt": torch.rsqrt,
        "square": torch.square, "sin": torch.sin, "cos": torch.cos, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "relu": torch.relu,
        "gelu": F.gelu, "silu": F.silu, "mish": F.mish, "pow_tensor": torch.pow, "log1p": torch.log1p, "expm1": torch.expm1,
        "erf": torch.erf, "reciprocal": torch.reciprocal, "sign": torch.sign, "floor": torch.floor, "where": torch.where,
        "eq": torch.eq, "ne": torch.ne, "lt": torch.lt, "le": torch.le, "gt": torch.gt, "ge": torch.ge,
        "logical_and": torch.logical_and, "logical_or": torch.logical_or, "logical_xor": torch.logical_xor,
        "logical_not": torch.logical_not}.items()},
    "add_scalar": lambda a: lambda x: x + a["scalar"],
    "mul_scalar": lambda a: lambda x: x * a["scalar"],
    "pow": lambda a: lambda x: torch.pow(x, a["exponent"]),
    "scalar_pow": lambda a: lambda x: torch.pow(a["base"], x),
    "leaky_relu": lambda a: lambda x: F.leaky_relu(x, a["slope"]),
    "softplus": lambda a: lambda x: F.softplus(x, a.get("beta", 1)),
    "clamp": lambda a: lambda x: torch.clamp(x, a.get("low", 0), a.get("high", 0)),
    "clamp_min": lambda a: lambda x: torch.clamp(x, min=a.get("low", 0)),
    "clamp_max": lambda a: lambda x: torch.clamp(x, max=a.get("high", 0)),
    "gelu_tanh": lambda a: lambda x: F.gelu(x, approximate="tanh"),
    "elu": lambda a: lambda x: F.elu(x, a["alpha"]),
    "activate": lambda a: lambda x: getattr(F, a["act"][0])(x, *a["act"][1:]),
    "to_int": lambda a: lambda x: x.to(torch.int32),
    "to_float": lambda a: lambda x: x.to(torch.float32),
    "dropout": lambda a: lambda x: F.dropout(x, a["p"], True),
    "map": lambda a: lambda x, o: x * torch.sigmoid(1.7 * x) - o / (1 + x * x),
    "map_in_place": lambda a: lambda x, o: (x * 1).mul_(o).add_(1),
    # copies and views
    "contiguous": lambda a: lambda x: x.contiguous(),
    "copy_transposed": lambda a: lambda x: x.t().contiguous(),
    "copy_slice": lambda a: lambda x: x[:, 1::2].contiguous(),
    "cat": lambda a: lambda *x: torch.cat(x, dim(a)),
    "stack": lambda a: lambda *x: torch.stack(x, dim(a)),
    "pad": pad,
    "flip": lambda a: lambda x: torch.flip(x, dims(a)),
    "roll": lambda a: lambda x: torch.roll(x, shape(a), dims(a)),
    "tril": lambda a: lambda x: torch.tril(x, int(a.get("start", 0))),
    "triu": lambda a: lambda x: torch.triu(x, int(a.get("start", 0))),
    "narrow": narrow,
    "slice": strided,
    "split": part(lambda x, a: x.split(int(a["length"]), dim(a))),
    "chunk": part(lambda x, a: x.chunk(int(a["length"]), dim(a))),
    "unbind": part(lambda x, a: x.unbind(dim(a))),
    "transpose": lambda a: lambda x: x.transpose(dim(a), int(a["dims"][2])),
    "permute": lambda a: lambda x: x.permute(dims(a)),
    "reshape": lambda a: lambda x: x.reshape(shape(a)),
    "expand": lambda a: lambda x: x.expand(shape(a)),
    # reductions
    "sum": reduced(torch.sum), "mean": reduced(torch.mean), "amax": reduced(torch.amax), "amin": reduced(torch.amin),
    "var": lambda a: lambda x: torch.var(x, dims(a), correction=0),
    "std": lambda a: lambda x: torch.std(x, dims(a), correction=0),
    "logsumexp": lambda a: lambda x: torch.logsumexp(x, dims(a) or tuple(range(x.dim()))),
    "norm": norm,
    "max_dim": along(torch.max), "min_dim": along(torch.min), "argmax": along(torch.argmax), "argmin": along(torch.argmin),
    "softmax": along(F.softmax), "log_softmax": along(F.log_softmax),
    # by index
    "embedding": lambda a: lambda w, i: F.embedding(i, w),
    "index_select": lambda a: lambda x, i: torch.index_select(x, dim(a), i),
    "gather": lambda a: lambda x, i: torch.gather(x, dim(a), i),
    "one_hot": lambda a: lambda x: F.one_hot(x, int(a["length"])).to(torch.float32),
    # makers
    "zeros": maker(lambda s, a: torch.zeros(s)), "ones": maker(lambda s, a: torch.ones(s)),
    "full": maker(lambda s, a: torch.full(s, a["value"])), "eye": maker(lambda s, a: torch.eye(*s)),
    "arange": lambda a: lambda: torch.arange(a.get("low", 0), a["high"], a["scalar"]),
    "rand": maker(lambda s, a: torch.rand(s)), "randn": maker(lambda s, a: torch.randn(s)),
    "randint": maker(lambda s, a: torch.randint(int(a["stop"]), s, dtype=torch.int32)),
    # layers
    "layer_norm": lambda a: lambda x, g, b: F.layer_norm(x, g.shape, g, b),
    "batch_norm": lambda a: lambda x, g, b: F.batch_norm(x, None, None, g, b, True),
    "group_norm": lambda a: lambda x, g, b: F.group_norm(x, int(a["groups"]), g, b),
    "instance_norm": lambda a: lambda x, g, b: F.instance_norm(x, None, None, g, b),
    "max_pool2d": pool(F.max_pool2d), "avg_pool2d": pool(F.avg_pool2d),
    "upsample": lambda a: lambda x: F.interpolate(x, scale_factor=tuple(float(s) for s in a["scale"])),
    "linear": plain(F.linear),
    "linear_act": lambda a: lambda *x: F.leaky_relu(F.linear(*x), 0.2),
    "matmul": matmul, "conv2d": conv, "conv_transpose2d": conv_transpose,
    # losses
    "bce_with_logits_loss": plain(F.binary_cross_entropy_with_logits), "bce_loss": plain(F.binary_cross_entropy),
    "mse_loss": plain(F.mse_loss), "l1_loss": plain(F.l1_loss), "cross_entropy_loss": plain(F.cross_entropy),
    "cross_entropy_prob_loss": plain(F.cross_entropy),
}
