"""The benches' work in JAX, for rounds.py: each call one jit-compiled function, waited for at the end of a round."""
import os

import jax
import jax.numpy as jnp
from jax import lax

import held_jax

jax.config.update("jax_platforms", "cpu")


def start():
    cpus = len(os.sched_getaffinity(0))
    return f"jax-{cpus}\tJAX {jax.__version__}, {cpus} CPUs{held_jax.hold()}"


def wait(result):
    jax.block_until_ready(result)


def uniform(*shape, low=0.05, high=0.95):
    return jax.random.uniform(jax.random.key(0), shape, minval=low, maxval=high)


def of(fn, *operands):
    compiled = jax.jit(fn)
    return lambda: compiled(*operands)


def product(ta, tb, m, n, k):
    a, b = uniform(*((k, m) if ta else (m, k))), uniform(*((n, k) if tb else (k, n)))
    return of(lambda a, b: (a.T if ta else a) @ (b.T if tb else b), a, b)


def conv(part, transposed, batch, c, o, size, out, stride, padding):
    """Images are NHWC, as flax has them and XLA is fastest on CPUs."""
    pads = [(padding, padding)] * 2
    given, got = uniform(batch, size, size, c), uniform(batch, out, out, o)
    if transposed:
        given, got, c, o = got, given, o, c
        pads = [(3 - padding, 3 - padding)] * 2
    w = uniform(4, 4, c, o)

    def forward(x, w):
        layout = ("NHWC", "HWIO", "NHWC")
        if transposed:
            return lax.conv_transpose(x, w, (stride, stride), pads, dimension_numbers=layout)
        return lax.conv_general_dilated(x, w, (stride, stride), pads, dimension_numbers=layout)

    if part == ("x" if transposed else "y"):
        return of(forward, given, w)
    at = 1 if part == "w" else 0
    fixed = w if at == 0 else given

    def backward(fixed, moved, g):  # the other operand is known, this one's value is not needed: convolutions are linear
        fn = (lambda m: forward(m, fixed)) if at == 0 else (lambda m: forward(fixed, m))
        return jax.vjp(fn, moved)[1](g)[0]

    return of(backward, fixed, given if at == 0 else w, got)


ROWS = {
    "add": jnp.add, "sub": jnp.subtract, "mul": jnp.multiply, "div": jnp.divide, "maximum": jnp.maximum,
    "minimum": jnp.minimum, "neg": jnp.negative, "abs": jnp.abs, "exp": jnp.exp, "log": jnp.log, "sqrt": jnp.sqrt,
    "rsqrt": lax.rsqrt, "square": jnp.square, "sin": jnp.sin, "cos": jnp.cos, "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid, "relu": jax.nn.relu, "leaky_relu": lambda x: jax.nn.leaky_relu(x, 0.2),
    "gelu": lambda x: jax.nn.gelu(x, approximate=False), "gelu_tanh": jax.nn.gelu, "silu": jax.nn.silu,
    "softplus": jax.nn.softplus, "log1p": jnp.log1p, "expm1": jnp.expm1, "erf": lax.erf, "reciprocal": jnp.reciprocal,
    "sign": jnp.sign, "floor": jnp.floor,
}


def op(name, attrs, backward, operands, _):
    """Plain ones; of what takes attributes, integers or parts of tensors PyTorch tells enough."""
    fn = jnp.matmul if name == "matmul" else ROWS.get(name)
    if fn is None or attrs or any(c in text for text in operands for c in "<@"):
        return None
    x = []
    for text in operands:
        dims, _, between = text.partition("~")
        low, high = map(float, between.split(","))
        x.append(uniform(*map(int, dims.split(",")), low=low, high=high))
    if not backward:
        return of(fn, *x)
    g = jnp.full_like(jax.jit(fn)(*x), 0.5)
    return of(lambda g, *x: jax.vjp(fn, *x)[1](g), g, *x)
