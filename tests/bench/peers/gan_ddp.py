#!/usr/bin/python3
"""The DCGAN of gan_dcgan.py as one of two or more processes: PyTorch's DistributedDataParallel with gloo, or --unconnected ones.

What D's backward of the real batch leaves is sent with that of the fakes, and G's half sends G's gradients alone. Start one process a
--rank; they meet on this machine.
"""
import contextlib
import datetime
import itertools
import json
import os
import statistics
import time

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

import gan_dcgan
import gan_loop


class Loop(gan_loop.Loop):
    """detach, as gan_loop's; `wrap` of a network is what its gradients' sums go by."""

    def __init__(self, g, d, optimizer, z_shape, wrap):
        super().__init__("detach", wrap(g), wrap(d), optimizer, z_shape)
        self.judge = d
        self.quiet = getattr(self.d, "no_sync", contextlib.nullcontext)

    def step(self, real):
        self.opt_d.zero_grad(set_to_none=True)
        with self.quiet():
            err_real = self.loss(self.d(real), self.ones)
            err_real.backward()
        fake = self.g(torch.randn(*self.z_shape))
        err_fake = self.loss(self.d(fake.detach()), self.zeros)
        err_fake.backward()
        self.opt_d.step()
        self.opt_g.zero_grad(set_to_none=True)
        err_g = self.loss(self.judge(fake), self.ones)
        err_g.backward()
        self.opt_g.step()
        return err_real.item(), err_fake.item(), err_g.item()


def more(parser):
    parser.add_argument("--rank", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--unconnected", action="store_true")


def main():
    args = gan_loop.arguments(__doc__, ["detach"], [("batch", 32), ("steps", 20), ("image-size", 64), ("channels", 1), ("nz", 100),
                                                    ("ngf", 16), ("ndf", 16)], more)
    wrap = lambda module: module
    if not args.unconnected:
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=os.environ.get("MASTER_PORT", "29517"))
        distributed.init_process_group("gloo", rank=args.rank, world_size=args.processes, timeout=datetime.timedelta(seconds=120))
        wrap = lambda module: DistributedDataParallel(module, broadcast_buffers=False)
    loop = Loop(gan_dcgan.generator(args), gan_dcgan.discriminator(args), gan_dcgan.optimizer, (args.batch, args.nz, 1, 1), wrap)
    size = (args.batch, args.channels, args.image_size, args.image_size)
    reals = itertools.cycle([torch.rand(*size) * 2 - 1 for _ in range(4)])
    times = []
    for _ in range(args.steps):
        begun = time.perf_counter()
        loop.step(next(reals))
        times.append((time.perf_counter() - begun) * 1e3)
    print(json.dumps({"step_ms": {"median": statistics.median(times[1:] or times)}, "torch": torch.__version__}))
    if not args.unconnected:
        distributed.destroy_process_group()


if __name__ == "__main__":
    main()
