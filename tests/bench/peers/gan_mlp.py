#!/usr/bin/python3
"""The MLP GAN of gan_train in PyTorch, in the same variants: the peer of tests/bench/bench_gan.sh."""
import gzip
import os
import struct

import torch
from torch import nn

import gan_loop

FASHION = "/usr/share/datasets/fashion-mnist"
LATENT = 128


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


def batches_of(pixels, batch):
    """Shuffled anew each epoch; without images, random ones."""
    while pixels is None:
        yield torch.rand(batch, 784)
    while True:
        order = torch.randperm(len(pixels))
        for at in range(0, len(pixels) - batch + 1, batch):
            yield pixels[order[at:at + batch]].float() / 255


def optimizer(parameters):
    return torch.optim.AdamW(parameters, lr=1e-3, betas=(0.5, 0.999))


def main():
    args = gan_loop.arguments(
        __doc__, gan_loop.VARIANTS, [("batch", 128), ("steps", 200)],
        lambda parser: parser.add_argument("--data", default=FASHION, help="folder of IDX files; '' for random images"))
    pixels = images_of(args.data) if args.data else None
    generator, discriminator = networks(784 if pixels is None else pixels.shape[1])
    loop = gan_loop.Loop(args.variant, generator, discriminator, optimizer, (args.batch, LATENT))
    gan_loop.report(args, loop, batches_of(pixels, args.batch))


if __name__ == "__main__":
    main()
