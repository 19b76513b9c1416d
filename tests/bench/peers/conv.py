#!/usr/bin/python3
"""The convolutions of bench_conv in PyTorch: us of each layer's forward, input gradient and weight gradient, and a detach step's sum."""
import argparse
import statistics
import time

import torch

# name, transposed, channels in and out, size in, stride, padding, how often a step runs forward, input and weight gradient
LAYERS = [
    ("G 100->128   1->4", True, 100, 128, 1, 1, 0, (1, 0, 1)),
    ("G 128->64   4->8", True, 128, 64, 4, 2, 1, (1, 1, 1)),
    ("G  64->32   8->16", True, 64, 32, 8, 2, 1, (1, 1, 1)),
    ("G  32->16  16->32", True, 32, 16, 16, 2, 1, (1, 1, 1)),
    ("G  16->1   32->64", True, 16, 1, 32, 2, 1, (1, 1, 1)),
    ("D   1->16  64->32", False, 1, 16, 64, 2, 1, (3, 1, 3)),
    ("D  16->32  32->16", False, 16, 32, 32, 2, 1, (3, 3, 3)),
    ("D  32->64  16->8", False, 32, 64, 16, 2, 1, (3, 3, 3)),
    ("D  64->128  8->4", False, 64, 128, 8, 2, 1, (3, 3, 3)),
    ("D 128->1    4->1", False, 128, 1, 4, 1, 0, (3, 3, 3)),
]


def median_us(fn, rounds):
    fn()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(4):
            fn()
        times.append((time.perf_counter() - start) / 4e-6)
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    total = 0
    for name, transposed, c, o, size, stride, padding, times in LAYERS:
        shape = (c, o, 4, 4) if transposed else (o, c, 4, 4)
        x, w = torch.randn(args.batch, c, size, size), torch.randn(*shape)

        def backward(mask):
            return lambda: torch.ops.aten.convolution_backward(g, x, w, None, [stride] * 2, [padding] * 2, [1, 1], transposed,
                                                               [0, 0], 1, mask)

        def forward():
            return torch.ops.aten.convolution(x, w, None, [stride] * 2, [padding] * 2, [1, 1], transposed, [0, 0], 1)

        with torch.no_grad():
            g = torch.randn_like(forward())
            us = [median_us(f, args.rounds) for f in (forward, backward([True, False, False]), backward([False, True, False]))]
        print(f"{name:20} forward {us[0]:8.1f} us   input gradient {us[1]:8.1f} us   weight gradient {us[2]:8.1f} us")
        total += sum(a * b for a, b in zip(us, times))
    print(f"a detach step: {total / 1e3:.2f} ms, {args.threads} thread(s), PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()
