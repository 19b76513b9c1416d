"""Holds JAX to AVX2 where XLA_FLAGS asks for it: import before any computation.

--xla_cpu_max_isa is for what XLA compiles, ONEDNN_MAX_CPU_ISA for oneDNN. Its products are YNNPACK's, which asks the CPU
alone and takes AVX-512 all the same; so what it found out is written for it, by the symbols of the library.
"""
import ctypes
import os
import subprocess

import jax  # noqa: F401 (loads the library)

FLAGS, GUARD = "_ZZN3ynn24get_supported_arch_flagsEvE5flags", "_ZGVZN3ynn24get_supported_arch_flagsEvE5flags"
UP_TO_FMA3 = 0xFF


def mapped(name):
    """(path, address) of a library in this process."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        found = [(line.split()[-1], int(line.split("-")[0], 16)) for line in maps if name in line]
    return min(found, key=lambda f: f[1])


def hold():
    """Words for the head of a table."""
    if "max_isa=AVX2" not in os.environ.get("XLA_FLAGS", ""):
        return ""
    path, base = mapped("libjax_common")
    names = subprocess.run(["nm", path], capture_output=True, text=True, check=False).stdout
    at = {f[-1]: int(f[0], 16) for f in map(str.split, names.splitlines()) if f[-1] in (FLAGS, GUARD)}
    if len(at) < 2:
        return ", AVX2 but for YNNPACK's products"
    ctypes.c_uint64.from_address(base + at[FLAGS]).value = UP_TO_FMA3
    ctypes.c_uint8.from_address(base + at[GUARD]).value = 1
    return ", AVX2"
