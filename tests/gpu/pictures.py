"""Pictures of noise, always the same: what dcgan and --conditional read."""
import hashlib
import os
import struct
import zlib


def write_pictures(folder, each=8, size=16):
    """Into two sub-folders, so many each."""
    for kind in "ab":
        os.makedirs(os.path.join(folder, kind))
        for i in range(each):
            pixels = hashlib.shake_128(f"{kind}{i}".encode()).digest(3 * size * size)
            with open(os.path.join(folder, kind, f"{i}.png"), "wb") as file:
                file.write(png(size, size, pixels))


def png(width, height, pixels):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + pixels[3 * width * y : 3 * width * (y + 1)] for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
