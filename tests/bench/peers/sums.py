"""PyTorch's float32 errors for the sums of test_sums.c, and from them its bounds: python3 sums.py > ../../sums_bounds.h

python3 sums.py table prints the errors themselves, and python3 sums.py 1e8 those of a sum and a product of so many terms.

Four times PyTorch's relative error or two units of the last place, whichever is more, for 1e2, 1e3, .. 1e6 terms; but of
products at least PANEL, and no more than CAPS, where PyTorch's error grows with the length and ours does not.
"""
import sys

import numpy as np
import torch
import torch.nn.functional as F

torch.manual_seed(0)
kind = 0


def value(n, stream):
    i = (np.arange(n, dtype=np.uint64) + 977 * stream).astype(np.uint32)
    h = (i.astype(np.uint64) * 2654435761 % 2**32).astype(np.uint32)
    if kind == 0:
        return np.full(n, 0.1, np.float32)
    return np.float32(0.5) + (h >> 8).astype(np.float32) * np.float32(2.0**-24)


def t(stream, *shape):
    return torch.from_numpy(value(int(np.prod(shape)), stream).reshape(shape))


def err(got, want, magnitude):
    return float(((got.double() - want).abs() / magnitude).max())


def reduced(fn, x, dims=None, scale=1, term=lambda x: x):
    d = term(x.double())
    s = d.sum(dims) if dims is not None else d.sum()
    return err(fn(x), scale * s, scale * s.abs())


def normalised(x, y, dims):
    d = x.double()
    want = (d - d.mean(dims, True)) / (d.var(dims, False, keepdim=True) + 1e-5).sqrt()
    return err(y, want, want.abs().clamp(min=1))


def grads(fn, up, *leaves):
    leaves = [p.requires_grad_(True) for p in leaves]
    return torch.autograd.grad(fn(*leaves), leaves, up)


def product(n, rows, cols):
    a, b = t(0, rows, n), t(1, n, cols)
    want = a.double() @ b.double()
    return err(a @ b, want, want)


def both(got, want):
    return max(err(g, w, w.abs()) for g, w in zip(got, want))


def linear_gradients(n):
    x, g = t(0, n, 3), t(1, n, 5)
    got = grads(lambda w, b: F.linear(x, w, b), g, t(2, 5, 3), t(3, 5))
    return both(got, (g.double().T @ x.double(), g.double().sum(0)))


def conv_gradients(n):
    a = int(n**0.5)
    x, g = t(0, 1, 2, a, a), t(1, 1, 3, a, a)
    got = grads(lambda w, b: F.conv2d(x, w, b), g, t(2, 3, 2, 1, 1), t(3, 3))
    xd, gd = x.double().reshape(2, -1), g.double().reshape(3, -1)
    return both(got, ((gd @ xd.T).reshape(3, 2, 1, 1), gd.sum(1)))


def conv(n, out):
    x, w = t(0, 1, n, 2, 3), t(1, out, n, 1, 1)
    want = F.conv2d(x.double(), w.double())
    return err(F.conv2d(x, w), want, want)


def var_all(n):
    if kind == 0:
        return 0
    x = t(0, n) + 30
    want = x.double().var(unbiased=False)
    return err(x.var(unbiased=False), want, want)


def norm_gradients(fn, g, dims, shape):
    got = grads(fn, g, t(2, shape), t(3, shape))
    want = g.double().sum(dims)
    return err(got[1], want, want)


def log_softmax(x, dim):
    want = F.log_softmax(x.double(), dim)
    return err(F.log_softmax(x, dim), want, 1 + torch.logsumexp(x.double(), dim, keepdim=True))


def softmax_gradient(n):
    g = t(1, 1, n)
    got, = grads(lambda x: F.log_softmax(x, 1), g, torch.zeros(1, n))
    return err(got, g.double() - g.double().mean(), g.double().mean())


def pool(n):
    a = int(n**0.5)
    return reduced(lambda x: F.avg_pool2d(x, a).reshape(()), t(0, 1, a, a), None, 1 / (a * a))


def index_gradient(n, fn, g, *shape):
    got, = grads(fn, g, torch.zeros(*shape))
    want = g.double().sum(0)
    return err(got[0], want, want)


ROWS = {
    "sum_all": lambda n: reduced(torch.sum, t(0, n)),
    "sum_last": lambda n: reduced(lambda x: x.sum(1), t(0, 3, n), 1),
    "sum_first": lambda n: reduced(lambda x: x.sum(0), t(0, n, 3), 0),
    "sum_middle": lambda n: reduced(lambda x: x.sum(1), t(0, 2, n, 5), 1),
    "mean_all": lambda n: reduced(torch.mean, t(0, n), None, 1 / n),
    "mean_first": lambda n: reduced(lambda x: x.mean(0), t(0, n, 3), 0, 1 / n),
    "norm_all": lambda n: err(t(0, n).norm(), t(0, n).double().norm(), t(0, n).double().norm()),
    "var_all": var_all,
    "layer_norm": lambda n: normalised(t(0, 2, n) + 30, F.layer_norm(t(0, 2, n) + 30, (n,)), (1,)),
    "batch_norm_rows": lambda n: normalised(t(0, n, 3) + 30, F.batch_norm(t(0, n, 3) + 30, None, None, training=True), (0,)),
    "batch_norm_planes": lambda n: normalised(t(0, 1, 2, n) + 30, F.batch_norm(t(0, 1, 2, n) + 30, None, None, training=True), (0, 2)),
    "group_norm": lambda n: normalised(t(0, 1, 2, n) + 30, F.group_norm(t(0, 1, 2, n) + 30, 2), (2,)),
    "layer_norm_gradients": lambda n: norm_gradients(lambda w, b: F.layer_norm(t(0, n, 5), (5,), w, b), t(1, n, 5), 0, 5),
    "batch_norm_gradients": lambda n: norm_gradients(lambda w, b: F.batch_norm(t(0, n, 3), None, None, w, b, True), t(1, n, 3), 0, 3),
    "batch_norm_plane_gradients": lambda n: norm_gradients(lambda w, b: F.batch_norm(t(0, 1, 2, n), None, None, w, b, True), t(1, 1, 2, n), (0, 2), 2),
    "dot": lambda n: product(n, 1, 1),
    "row_product": lambda n: product(n, 1, 17),
    "matmul": lambda n: product(n, 3, 5),
    "tile_product": lambda n: product(n, 9, 33),
    "linear": lambda n: err(F.linear(t(0, 1, n), t(1, 3, n)), F.linear(t(0, 1, n).double(), t(1, 3, n).double()), F.linear(t(0, 1, n).double(), t(1, 3, n).double())),
    "linear_gradients": linear_gradients,
    "conv_gradients": conv_gradients,
    "conv": lambda n: conv(n, 2),
    "conv_many": lambda n: conv(n, 6),
    "pool": pool,
    "log_softmax": lambda n: log_softmax(t(0, 2, n), 1),
    "log_softmax_columns": lambda n: log_softmax(t(0, n, 3), 0),
    "softmax_gradient": softmax_gradient,
    "mse": lambda n: reduced(lambda x: F.mse_loss(x, x * 0), t(0, n), None, 1 / n, lambda x: x * x),
    "l1": lambda n: reduced(lambda x: F.l1_loss(x, x * 0), t(0, n), None, 1 / n),
    "bce": lambda n: reduced(lambda x: F.binary_cross_entropy_with_logits(x, x * 0), t(0, n), None, 1 / n, lambda x: torch.log1p(torch.exp(x))),
    "cross_entropy": lambda n: err(F.cross_entropy(t(0, n, 2), torch.zeros(n, dtype=torch.long)), F.cross_entropy(t(0, n, 2).double(), torch.zeros(n, dtype=torch.long)), F.cross_entropy(t(0, n, 2).double(), torch.zeros(n, dtype=torch.long))),
    "embedding": lambda n: index_gradient(n, lambda x: F.embedding(torch.zeros(n, dtype=torch.long), x), t(1, n, 5), 2, 5),
    "embedding_of_many": lambda n: index_gradient(n, lambda x: F.embedding(torch.zeros(n, dtype=torch.long), x), t(1, n, 5), n + 1, 5),
    "gather": lambda n: index_gradient(n, lambda x: x.gather(0, torch.zeros(n, dtype=torch.long)), t(1, n), 2),
}

PRODUCTS = ("dot", "row_product", "matmul", "tile_product", "linear", "linear_gradients", "conv_gradients", "conv", "conv_many")
NORMS = ("layer_norm", "batch_norm_rows", "batch_norm_planes", "group_norm")  # of values around 30: a mean is a float
PANEL = 1e-6  # of 256 equal terms in a row
CAPS = [1e-6] * 5
CAPS_OF = {name: [1.5e-6, 1.5e-6, 1.5e-6, 2e-6, 2e-5] for name in PRODUCTS} | {name: [5e-6] * 5 for name in NORMS}


def error(name, decade):
    global kind
    worst = 0
    for kind in (0, 1):
        worst = max(worst, ROWS[name](10**decade))
    return worst


if sys.argv[1:]:
    names, decades = (ROWS, range(2, 7)) if sys.argv[1] == "table" else (("sum_all", "dot"), (8,))
    for name in names:
        for decade in decades:
            print(name, "1e%d" % decade, "%.1e" % error(name, decade), flush=True)
elif __name__ == "__main__":
    print("/* Bounds of test_sums.c from PyTorch %s on a CPU, written by bench/peers/sums.py: for 1e2, 1e3, .. 1e6 terms four\n"
          " * times its relative error in float32, or two units of the last place, whichever is more; no more than ours may be. */" % torch.__version__.split("+")[0])
    print("static const struct {\n  const char *name;\n  void (*run)(int64_t n);\n  double bound[5];\n} rows[] = {")
    for name in ROWS:
        bounds = []
        for decade in range(2, 7):
            bounds.append(min(max(4 * error(name, decade), PANEL if name in PRODUCTS else 2 * 2.0**-23), CAPS_OF.get(name, CAPS)[decade - 2]))
        print('    {"%s", %s, {%s}},' % (name, name, ", ".join("%.1e" % b for b in bounds)))
    print("};\nenum { N_ROWS = sizeof rows / sizeof *rows };")
