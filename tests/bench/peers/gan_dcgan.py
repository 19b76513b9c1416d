#!/usr/bin/python3
"""The DCGAN of gan_train in PyTorch, in the same variants: the peer of tests/bench/bench_gan.sh --model dcgan.

Layers, initialisation and optimizers are those of PyTorch's own DCGAN example, activations in place as there; the loss
takes logits. Images are random: what they show does not change the time of a step.
"""
import itertools
import sys

import torch
from torch import nn

import gan_loop


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


def optimizer(parameters):
    return torch.optim.Adam(parameters, lr=2e-4, betas=(0.5, 0.999))


def main():
    args = gan_loop.arguments(__doc__, gan_loop.VARIANTS + ["checkpoint"],
                              [("batch", 32), ("steps", 20), ("image-size", 64), ("channels", 1), ("nz", 100),
                               ("ngf", 16), ("ndf", 16)])
    if args.image_size < 8 or args.image_size & (args.image_size - 1):
        sys.exit("gan_dcgan.py: --image-size wants a power of two from 8")
    loop = gan_loop.Loop(args.variant, generator(args), discriminator(args), optimizer, (args.batch, args.nz, 1, 1))
    size = (args.batch, args.channels, args.image_size, args.image_size)
    gan_loop.report(args, loop, itertools.cycle([torch.rand(*size) * 2 - 1 for _ in range(4)]))


if __name__ == "__main__":
    main()
