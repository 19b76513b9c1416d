#!/usr/bin/python3
"""The MLP GAN of gan_train in PyTorch, in the same variants: the peer of tests/bench/bench_gan.sh.

Prints the median of the milliseconds from step to step, as gan_train measures them: the first step is left out, and
every step ends with its three losses on the host.
"""
import argparse
import gzip
import json
import os
import statistics
import struct
import sys
import time

import torch
from torch import nn

FASHION = "/usr/share/datasets/fashion-mnist"
LATENT = 128
VARIANTS = "detach retain_graph inputs recompute no_grad frozen_d".split()


def images_of(folder):
    """[count, 784] bytes of an IDX file, or None when the folder has none."""
    for name, opener in (("train-images-idx3-ubyte", open), ("train-images-idx3-ubyte.gz", gzip.open)):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            with opener(path, "rb") as file:
                _, count, height, width = struct.unpack(">4I", file.read(16))
                pixels = bytearray(file.read(count * height * width))
            return torch.frombuffer(pixels, dtype=torch.uint8).view(count, height * width)
    return None


def hidden(inputs):
    layers = []
    for i in range(3):
        layers += [nn.Linear(256 if i else inputs, 256), nn.LeakyReLU(0.2), nn.LayerNorm(256)]
    return layers


def networks(features):
    generator = nn.Sequential(*hidden(LATENT), nn.Linear(256, features), nn.Sigmoid())
    discriminator = nn.Sequential(nn.Flatten(), *hidden(features), nn.Linear(256, 1))
    return generator, discriminator


class Loop:
    def __init__(self, variant, batch, features):
        self.variant, self.batch = variant, batch
        self.g, self.d = networks(features)
        self.opt_g = torch.optim.AdamW(self.g.parameters(), lr=1e-3)
        self.opt_d = torch.optim.AdamW(self.d.parameters(), lr=1e-3)
        self.loss = nn.BCEWithLogitsLoss()
        self.ones, self.zeros = torch.ones(batch, 1), torch.zeros(batch, 1)
        self.err_fake = None

    def fake_half(self, z):
        v = self.variant
        if v == "no_grad":
            with torch.no_grad():
                fake = self.g(z)
        else:
            fake = self.g(z)
        shown = fake.detach() if v in ("detach", "frozen_d") else fake
        self.err_fake = self.loss(self.d(shown), self.zeros)
        if v == "retain_graph":
            self.err_fake.backward(retain_graph=True)
        elif v == "inputs":
            self.err_fake.backward(inputs=list(self.d.parameters()))
        else:
            self.err_fake.backward()
        return fake

    def generator_half(self, fake, z):
        v = self.variant
        self.opt_g.zero_grad(set_to_none=True)
        if v in ("recompute", "no_grad"):
            fake = self.g(z)
        if v == "frozen_d":
            self.d.requires_grad_(False)
        err_g = self.loss(self.d(fake), self.ones)
        err_g.backward()
        if v == "frozen_d":
            self.d.requires_grad_(True)
        self.opt_g.step()
        return err_g

    def step(self, real):
        self.opt_d.zero_grad(set_to_none=True)
        err_real = self.loss(self.d(real), self.ones)
        err_real.backward()
        z = torch.randn(self.batch, LATENT)
        fake = self.fake_half(z)
        self.opt_d.step()
        err_g = self.generator_half(fake, z)
        return err_real.item(), self.err_fake.item(), err_g.item()


def train(args):
    torch.manual_seed(args.seed)
    pixels = images_of(args.data) if args.data else None
    features = pixels.shape[1] if pixels is not None else 784
    loop = Loop(args.variant, args.batch, features)
    times, order = [], None
    last = time.perf_counter()
    for step in range(args.steps):
        if pixels is None:
            real = torch.rand(args.batch, features)
        else:
            per_epoch = len(pixels) // args.batch
            if step % per_epoch == 0:
                order = torch.randperm(len(pixels))
            at = step % per_epoch * args.batch
            real = pixels[order[at:at + args.batch]].float() / 255
        losses = loop.step(real)
        now = time.perf_counter()
        times.append((now - last) * 1e3)
        last = now
    return times[1:] or times, losses


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--variant", choices=VARIANTS, default="detach")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data", default=FASHION, help="folder of IDX files; '' for random images")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    if min(args.batch, args.steps, args.threads) < 1:
        sys.exit("gan_mlp.py: --batch, --steps and --threads want numbers from 1")
    torch.set_num_threads(args.threads)
    times, losses = train(args)
    result = {"variant": args.variant, "batch": args.batch, "steps": args.steps, "threads": args.threads,
              "torch": torch.__version__, "losses": losses,
              "step_ms": {"median": statistics.median(times), "min": min(times)}}
    if args.json:
        print(json.dumps(result))
    else:
        print(f"{args.variant}: {result['step_ms']['median']:.2f} ms/step median of {len(times)}, "
              f"{args.threads} thread(s), PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()
