#!/usr/bin/python3
"""The DCGAN of gan_train in PyTorch, in the same variants: the peer of tests/bench/bench_gan.sh --model dcgan.

Layers, initialisation and optimizers are those of PyTorch's own DCGAN example, activations in place as there; the loss
takes logits. Images are random: what they show does not change the time of a step. Prints the median of the milliseconds
from step to step, as gan_train measures them: the first step is left out, and every step ends with its three losses on
the host.
"""
import argparse
import json
import statistics
import sys
import time

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint_sequential

VARIANTS = "detach retain_graph inputs recompute no_grad frozen_d checkpoint".split()


def initialise(module):
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def halvings(size):
    """How often a side halves until it is 4."""
    return (size // 4).bit_length() - 1


def generator(args):
    blocks, width = [], args.nz
    for i in reversed(range(halvings(args.image_size))):
        out = args.ngf << i
        first = width == args.nz and not blocks
        conv = nn.ConvTranspose2d(width, out, 4, 1 if first else 2, 0 if first else 1, bias=False)
        blocks.append(nn.Sequential(conv, nn.BatchNorm2d(out), nn.ReLU(True)))
        width = out
    blocks.append(nn.Sequential(nn.ConvTranspose2d(width, args.channels, 4, 2, 1, bias=False), nn.Tanh()))
    return nn.Sequential(*blocks).apply(initialise)


def discriminator(args):
    blocks, width = [], args.channels
    for i in range(halvings(args.image_size)):
        out = args.ndf << i
        conv = nn.Conv2d(width, out, 4, 2, 1, bias=False)
        norm = [nn.BatchNorm2d(out)] if i else []
        blocks.append(nn.Sequential(conv, *norm, nn.LeakyReLU(0.2, inplace=True)))
        width = out
    blocks.append(nn.Sequential(nn.Conv2d(width, 1, 4, 1, 0, bias=False), nn.Flatten()))
    return nn.Sequential(*blocks).apply(initialise)


class Loop:
    def __init__(self, args):
        self.args, self.variant = args, args.variant
        self.g, self.d = generator(args), discriminator(args)
        self.opt_g = torch.optim.Adam(self.g.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.opt_d = torch.optim.Adam(self.d.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.loss = nn.BCEWithLogitsLoss()
        self.ones, self.zeros = torch.ones(args.batch, 1), torch.zeros(args.batch, 1)
        self.err_fake = None

    def run(self, module, x):
        if self.variant != "checkpoint":
            return module(x)
        if not x.requires_grad:
            x = x.detach().requires_grad_()  # else nothing of the first segment would be recorded
        return checkpoint_sequential(module, len(module), x)

    def fake_half(self, z):
        v = self.variant
        with torch.set_grad_enabled(v != "no_grad"):
            fake = self.run(self.g, z)
        shown = fake.detach() if v in ("detach", "frozen_d", "checkpoint") else fake
        self.err_fake = self.loss(self.run(self.d, shown), self.zeros)
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
            fake = self.run(self.g, z)
        if v == "frozen_d":
            self.d.requires_grad_(False)
        err_g = self.loss(self.run(self.d, fake), self.ones)
        err_g.backward()
        if v == "frozen_d":
            self.d.requires_grad_(True)
        self.opt_g.step()
        return err_g

    def step(self, real):
        self.opt_d.zero_grad(set_to_none=True)
        err_real = self.loss(self.run(self.d, real), self.ones)
        err_real.backward()
        z = torch.randn(self.args.batch, self.args.nz, 1, 1)
        fake = self.fake_half(z)
        self.opt_d.step()
        err_g = self.generator_half(fake, z)
        return err_real.item(), self.err_fake.item(), err_g.item()


def train(args):
    torch.manual_seed(args.seed)
    loop = Loop(args)
    batches = [torch.rand(args.batch, args.channels, args.image_size, args.image_size) * 2 - 1 for _ in range(4)]
    times = []
    last = time.perf_counter()
    for step in range(args.steps):
        losses = loop.step(batches[step % len(batches)])
        now = time.perf_counter()
        times.append((now - last) * 1e3)
        last = now
    return times[1:] or times, losses


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--variant", choices=VARIANTS, default="detach")
    for name, value in (("batch", 32), ("steps", 20), ("seed", 1), ("threads", 1), ("image-size", 64), ("channels", 1),
                        ("nz", 100), ("ngf", 16), ("ndf", 16)):
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    if min(args.batch, args.steps, args.threads, args.channels, args.nz, args.ngf, args.ndf) < 1:
        sys.exit("gan_dcgan.py: all numbers start at 1")
    if args.image_size < 8 or args.image_size & (args.image_size - 1):
        sys.exit("gan_dcgan.py: --image-size wants a power of two from 8")
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
