"""The training loop of gan_train in PyTorch, in the same variants, and its timing: what gan_mlp.py and gan_dcgan.py share.

Prints the median of the milliseconds from step to step, as gan_train measures them: the first step is left out, and
every step ends with its three losses on the host.
"""
import argparse
import json
import statistics
import sys
import time

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint_sequential

VARIANTS = "detach retain_graph inputs recompute no_grad frozen_d".split()


class Loop:
    """g, d: modules; optimizer(parameters); z_shape: of a batch of noise."""

    def __init__(self, variant, g, d, optimizer, z_shape):
        self.variant, self.g, self.d, self.z_shape = variant, g, d, z_shape
        self.opt_g, self.opt_d = optimizer(g.parameters()), optimizer(d.parameters())
        self.loss = nn.BCEWithLogitsLoss()
        self.ones, self.zeros = torch.ones(z_shape[0], 1), torch.zeros(z_shape[0], 1)
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
        z = torch.randn(*self.z_shape)
        fake = self.fake_half(z)
        self.opt_d.step()
        err_g = self.generator_half(fake, z)
        return err_real.item(), self.err_fake.item(), err_g.item()


def arguments(doc, variants, numbers, more=lambda parser: None):
    """What every peer takes, and `numbers`, (name, default) from 1 up; more(parser) adds the rest."""
    parser = argparse.ArgumentParser(description=doc.split("\n")[0])
    parser.add_argument("--variant", choices=variants, default="detach")
    numbers = numbers + [("seed", 1), ("threads", 1)]
    for name, value in numbers:
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    more(parser)
    args = parser.parse_args()
    for name, _ in numbers:
        if getattr(args, name.replace("-", "_")) < 1:
            sys.exit(f"{parser.prog}: --{name} wants a number from 1")
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    return args


def report(args, loop, batches):
    """Trains for args.steps on what `batches` yields, and prints the times."""
    times, losses = [], None
    last = time.perf_counter()
    for _, real in zip(range(args.steps), batches):
        losses = loop.step(real)
        now = time.perf_counter()
        times.append((now - last) * 1e3)
        last = now
    times = times[1:] or times
    result = {"variant": args.variant, "batch": args.batch, "steps": args.steps, "threads": args.threads,
              "torch": torch.__version__, "losses": losses,
              "step_ms": {"median": statistics.median(times), "min": min(times)}}
    if args.json:
        print(json.dumps(result))
    else:
        print(f"{args.variant}: {result['step_ms']['median']:.2f} ms/step median of {len(times)}, "
              f"{args.threads} thread(s), PyTorch {torch.__version__}")
