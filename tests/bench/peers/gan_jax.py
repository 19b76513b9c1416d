#!/usr/bin/env python3
"""The MLP GAN and the DCGAN of gan_train in JAX, variant detach: a peer of bench_gan.sh beside gan_mlp.py and gan_dcgan.py.

Written as a JAX user would: one jit-compiled function is the whole step, its state donated, images NHWC, optimizers of
optax. The first step, which compiles, is left out; the others are timed in up to five runs, each waited for at its end,
and the median of the runs is printed. Networks, initialisation, optimizers and losses are those of the PyTorch peers.
"""
import argparse
import functools
import json
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

import held_jax

jax.config.update("jax_platforms", "cpu")
LATENT, FEATURES = 128, 784
LAYOUT = ("NHWC", "HWIO", "NHWC")


# ---- the MLP: a network is a function of (parameters, statistics, x) that returns (y, statistics) ----

def linear_init(key, inputs, outputs):
    bound = inputs ** -0.5
    w, b = jax.random.split(key)
    return {"w": jax.random.uniform(w, (inputs, outputs), minval=-bound, maxval=bound),
            "b": jax.random.uniform(b, (outputs,), minval=-bound, maxval=bound)}


def mlp_init(key, inputs, outputs):
    keys = jax.random.split(key, 4)
    hidden = [{"linear": linear_init(k, 256 if i else inputs, 256), "scale": jnp.ones(256), "shift": jnp.zeros(256)}
              for i, k in enumerate(keys[:3])]
    return {"hidden": hidden, "last": linear_init(keys[3], 256, outputs)}


def linear(p, x):
    return x @ p["w"] + p["b"]


def layer_norm(p, x):
    mean, var = jnp.mean(x, -1, keepdims=True), jnp.var(x, -1, keepdims=True)
    return (x - mean) * lax.rsqrt(var + 1e-5) * p["scale"] + p["shift"]


def mlp(p, x):
    for block in p["hidden"]:
        x = layer_norm(block, jax.nn.leaky_relu(linear(block["linear"], x), 0.2))
    return linear(p["last"], x)


def mlp_model(args):
    def generator(p, stats, z):
        return jax.nn.sigmoid(mlp(p, z)), stats

    def discriminator(p, stats, x):
        return mlp(p, x), stats

    g, d = jax.random.split(jax.random.key(args.seed))
    return {"generator": generator, "discriminator": discriminator, "z": (args.batch, LATENT), "g_stats": [], "d_stats": [],
            "g": mlp_init(g, LATENT, FEATURES), "d": mlp_init(d, FEATURES, 1), "image": (FEATURES,), "low": 0.0,
            "optimizer": optax.adamw(1e-3, b1=0.5, b2=0.999, eps=1e-8, weight_decay=0.01)}


# ---- the DCGAN ----

def halvings(size):
    return (size // 4).bit_length() - 1


def conv_init(key, inputs, outputs, norm):
    w, s = jax.random.split(key)
    p = {"w": 0.02 * jax.random.normal(w, (4, 4, inputs, outputs))}
    if norm:
        p |= {"scale": 1 + 0.02 * jax.random.normal(s, (outputs,)), "shift": jnp.zeros(outputs)}
    return p


def batch_norm(p, stats, x):
    """Of training; moves the running statistics by 0.1."""
    mean, var = jnp.mean(x, (0, 1, 2)), jnp.var(x, (0, 1, 2))
    n = x.size // x.shape[-1]
    moved = (0.9 * stats[0] + 0.1 * lax.stop_gradient(mean), 0.9 * stats[1] + 0.1 * lax.stop_gradient(var) * n / (n - 1))
    return (x - mean) * lax.rsqrt(var + 1e-5) * p["scale"] + p["shift"], moved


def layers(params, stats, x, conv, activation):
    """conv(i, p, x) of each layer, then its norm if it has one, and the activation of all but the last."""
    moved, at = [], 0
    for i, p in enumerate(params):
        x = conv(i, p["w"], x)
        if "scale" in p:
            x, now = batch_norm(p, stats[at], x)
            moved.append(now)
            at += 1
        if i < len(params) - 1:
            x = activation(x)
    return x, moved


def dcgan_model(args):
    def up(i, w, x):
        pads = [(2, 2)] * 2 if i else [(3, 3)] * 2
        return lax.conv_transpose(x, w, (2, 2) if i else (1, 1), pads, dimension_numbers=LAYOUT)

    def down(i, w, x):
        last = i == halvings(args.image_size)
        return lax.conv_general_dilated(x, w, (1, 1) if last else (2, 2), [(0, 0) if last else (1, 1)] * 2,
                                        dimension_numbers=LAYOUT)

    def generator(p, stats, z):
        y, stats = layers(p, stats, z, up, jax.nn.relu)
        return jnp.tanh(y), stats

    def discriminator(p, stats, x):
        y, stats = layers(p, stats, x, down, lambda v: jax.nn.leaky_relu(v, 0.2))
        return y.reshape(y.shape[0], 1), stats

    n = halvings(args.image_size)
    g_widths = [args.nz] + [args.ngf << i for i in reversed(range(n))] + [args.channels]
    d_widths = [args.channels] + [args.ndf << i for i in range(n)] + [1]
    keys = iter(jax.random.split(jax.random.key(args.seed), 2 * n + 2))
    g = [conv_init(next(keys), a, b, i < n) for i, (a, b) in enumerate(zip(g_widths, g_widths[1:]))]
    d = [conv_init(next(keys), a, b, 0 < i < n) for i, (a, b) in enumerate(zip(d_widths, d_widths[1:]))]

    def fresh(params):
        return [(jnp.zeros_like(p["shift"]), jnp.ones_like(p["shift"])) for p in params if "shift" in p]

    return {"generator": generator, "discriminator": discriminator, "z": (args.batch, 1, 1, args.nz), "g": g, "d": d,
            "g_stats": fresh(g), "d_stats": fresh(d), "image": (args.image_size, args.image_size, args.channels),
            "low": -1.0, "optimizer": optax.adam(2e-4, b1=0.5, b2=0.999, eps=1e-8)}


# ---- a step of either ----

def bce(logits, target):
    return jnp.mean(optax.sigmoid_binary_cross_entropy(logits, jnp.full_like(logits, target)))


def make_step(model):
    generator, discriminator, adam = model["generator"], model["discriminator"], model["optimizer"]

    def d_loss(d, stats, real, fake):
        on_real, stats = discriminator(d, stats, real)
        on_fake, stats = discriminator(d, stats, fake)
        real_loss, fake_loss = bce(on_real, 1.0), bce(on_fake, 0.0)
        return real_loss + fake_loss, (stats, real_loss, fake_loss)

    def g_loss(fake, d, stats):
        on_fake, stats = discriminator(d, stats, fake)
        return bce(on_fake, 1.0), stats

    @functools.partial(jax.jit, donate_argnums=0)
    def step(state, real):
        key, noise = jax.random.split(state["key"])
        z = jax.random.normal(noise, model["z"])
        fake, to_g, g_stats = jax.vjp(lambda g: generator(g, state["g_stats"], z), state["g"], has_aux=True)
        found = jax.grad(d_loss, has_aux=True)(state["d"], state["d_stats"], real, lax.stop_gradient(fake))
        d_grads, (d_stats, real_loss, fake_loss) = found
        change, d_adam = adam.update(d_grads, state["d_adam"], state["d"])
        d = optax.apply_updates(state["d"], change)
        (err_g, d_stats), to_fake = jax.value_and_grad(g_loss, has_aux=True)(fake, d, d_stats)
        change, g_adam = adam.update(to_g(to_fake)[0], state["g_adam"], state["g"])
        g = optax.apply_updates(state["g"], change)
        state = {"key": key, "g": g, "d": d, "g_stats": g_stats, "d_stats": d_stats, "g_adam": g_adam, "d_adam": d_adam}
        return state, (real_loss, fake_loss, err_g)

    return step


def train(model, args):
    """Milliseconds a step of each run, and the last losses."""
    adam = model["optimizer"]
    state = {"key": jax.random.key(args.seed + 1), "g": model["g"], "d": model["d"], "g_stats": model["g_stats"],
             "d_stats": model["d_stats"], "g_adam": adam.init(model["g"]), "d_adam": adam.init(model["d"])}
    step = make_step(model)
    random = np.random.default_rng(args.seed)
    images = [jnp.asarray(random.uniform(model["low"], 1, (args.batch, *model["image"])), jnp.float32) for _ in range(4)]
    state, losses = jax.block_until_ready(step(state, images[0]))
    runs, left, times = min(5, args.steps), args.steps, []
    for run in range(runs):
        steps = left // (runs - run)
        left -= steps
        start = time.perf_counter()
        for i in range(steps):
            state, losses = step(state, images[i % 4])
        jax.block_until_ready(state)
        times.append((time.perf_counter() - start) * 1e3 / steps)
    return times, [float(v) for v in losses]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--model", choices=["mlp", "dcgan"], default="mlp")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    for name, value in (("batch", 0), ("steps", 100), ("image-size", 64), ("channels", 1), ("nz", 100), ("ngf", 16),
                        ("ndf", 16), ("seed", 1)):
        parser.add_argument("--" + name, type=int, default=value)
    args = parser.parse_args()
    held = held_jax.hold()
    args.batch = args.batch or (128 if args.model == "mlp" else 32)
    times, losses = train((mlp_model if args.model == "mlp" else dcgan_model)(args), args)
    result = {"variant": "detach", "batch": args.batch, "steps": args.steps, "jax": jax.__version__ + held, "losses": losses,
              "step_ms": {"median": statistics.median(times), "min": min(times)}}
    if args.json:
        print(json.dumps(result))
    else:
        print(f"detach: {result['step_ms']['median']:.2f} ms/step median of {len(times)} runs, JAX {jax.__version__}{held}")


if __name__ == "__main__":
    main()
