"""The implementations of OpenCL that the suites run on: how each is prepared, and what runs on it."""
import importlib.util
import os
import platform
import pathlib
import shutil
import subprocess
import sys
import zipfile

from place import Place, Unprepared, need, once

# What computes. Other suites are about files, options, or the tree.
OPS = {"kernels", "numbers", "tensor", "batches", "remat", "fused", "linear", "ops", "ops_edges", "ops_forms", "conv", "large", "views",
       "sums", "slices", "golden", "memory", "graph", "gradients", "nn", "optim", "checkpoint", "divide", "math", "reproducible"}
# An interpreter's time: hours for all.
OCLGRIND = {f"{suite}-{shape}" for suite in ("kernels", "ops", "ops_edges", "ops_forms", "conv", "golden-ops", "golden-ops_double", "math",
                                             "same_bits", "same_weights-small", "reproducible")
            for shape in ("cpu", "gpu")} | {"linear-cpu"}
# Of Debian 13: what the tests need, PoCL and rusticl.
TRIXIE = ["gcc", "g++", "libc6-dev", "meson", "ninja-build", "pkg-config", "python3", "ocl-icd-opencl-dev", "libclblast-dev", "zlib1g-dev",
          "libpng-dev", "libjpeg-dev", "libjansson-dev", "check", "dataset-fashion-mnist", "pocl-opencl-icd", "mesa-opencl-icd"]
INTEL = ["intel-opencl-rt==2026.2.0", "intel-cmplr-lib-rt==2026.2.0", "intel-cmplr-lib-ur==2026.2.0", "tcmlib==1.6.0", "tbb==2023.2.0"]


class Implementation:
    """`prepare(options)` gives its Place, `takes(name, suites)` says whether a test runs on it; of suite long none but with `long`."""

    def __init__(self, name, what, prepare, takes, long=False):
        self.name, self.what, self.prepare, self.takes, self.long = name, what, prepare, takes, long


# ---- which tests ----
def every(name, suites):
    return True


def of_device(name, suites):
    return not suites & {"tree", "install", "lies"}


def gpu_shape(without):
    """What computes, but for suites that meet what this driver gets wrong (see upstream.c)."""
    return lambda name, suites: bool(suites & OPS - without) and not name.endswith("-cpu")


# ---- PoCL and what else Debian has ----
def pocl(options):
    need(pathlib.Path("/etc/OpenCL/vendors/pocl.icd").exists(), "pocl-opencl-icd")
    return Place(options)


def hostcpu(cpu):
    def prepare(options):
        if platform.machine() not in ("x86_64", "AMD64"):
            raise Unprepared("it is for x86-64")
        pocl(options)
        return Place(options, wrapper=["hostcpu-run", str(options.root / options.build / "tests/libhostcpu.so"), cpu])

    return prepare


def rusticl(options):
    need(pathlib.Path("/etc/OpenCL/vendors/rusticl.icd").exists(), "mesa-opencl-icd")
    return Place(options, {"CLGRAD_SHAPE": "gpu"}, ["rusticl-run"])


def oclgrind(options):
    need(shutil.which("oclgrind"), "oclgrind")
    return Place(options, wrapper=["oclgrind-run"])


# ---- Debian 13 in a root of its own ----
def mirror():
    """Where this Debian has its packages from; none: debootstrap's default."""
    lines = subprocess.run(["apt-get", "indextargets", "--format", "$(ORIGIN) $(SUITE) $(SITE)"], capture_output=True, text=True, check=False)
    sites = [line.split()[2] for line in lines.stdout.splitlines() if line.startswith("Debian ") and "-security" not in line]
    return sites[:1]


def fill_trixie(folder):
    done = subprocess.run(["debootstrap", "--variant=minbase", "--include=" + ",".join(TRIXIE), "trixie", folder, *mirror()], check=False)
    if done.returncode != 0:
        raise Unprepared("debootstrap failed")
    (folder / "src").mkdir()


def trixie(env, wrapper):
    def prepare(options):
        if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode != 0:
            raise Unprepared("a root of its own takes root that may mount")
        need(shutil.which("debootstrap"), "debootstrap")
        root = once(options.scratch / "trixie", fill_trixie)
        return Place(options, env, wrapper, "build-trixie", root)

    return prepare


# ---- Intel's runtime for CPUs, from PyPI; other makers' CPUs will do ----
def fill_intel(folder):
    need(importlib.util.find_spec("pip"), "python3-pip")
    wheels, lib, icd = folder / "wheels", folder / "lib", folder / "icd"
    done = subprocess.run([sys.executable, "-m", "pip", "download", "--no-deps", "--dest", wheels, *INTEL], check=False)
    if done.returncode != 0:
        raise Unprepared("pip could not download it")
    lib.mkdir()
    for wheel in wheels.iterdir():
        with zipfile.ZipFile(wheel) as files:
            for name in files.namelist():
                # Its own loader would take the place of the system's.
                if ".data/data/lib/" in name and not name.endswith("/") and "libOpenCL" not in name:
                    (lib / pathlib.PurePath(name).name).write_bytes(files.read(name))
    shutil.rmtree(wheels)
    icd.mkdir()
    (icd / "intel.icd").write_text("libintelocl.so\n", encoding="utf-8")


def intel(options):
    if platform.machine() not in ("x86_64", "AMD64"):
        raise Unprepared("it is for x86-64")
    folder = once(options.scratch / "intel", fill_intel)
    env = {"OCL_ICD_VENDORS": str(folder / "icd"), "LD_LIBRARY_PATH": str(folder / "lib"), "TEST_DEVICE": "Intel"}
    return Place(options, env, ["device-run"])


ALL = {one.name: one for one in (
    Implementation("host", "PoCL of this machine, for its CPU: every suite", pocl, every),
    Implementation("haswell", "PoCL for a CPU with AVX2 and FMA: every suite", hostcpu("haswell"), of_device),
    Implementation("ivybridge", "PoCL for a CPU with AVX: every suite", hostcpu("ivybridge"), of_device),
    Implementation("nehalem", "PoCL for a CPU with SSE4.2: every suite", hostcpu("nehalem"), of_device),
    Implementation("rusticl", "Mesa's rusticl on llvmpipe: what computes, GPU shape", rusticl, gpu_shape({"numbers", "sums"})),
    Implementation("oclgrind", "Oclgrind, which checks every access of kernels: ops", oclgrind, lambda name, suites: name in OCLGRIND),
    Implementation("lies", "PoCL, said to be a device that can do less", pocl, lambda name, suites: "lies" in suites, long=True),
    Implementation("intel", "Intel's runtime for CPUs, from PyPI: every suite", intel, of_device),
    Implementation("trixie-pocl", "Debian 13's PoCL: every suite", trixie(None, ()), every),
    Implementation("trixie-rusticl", "Debian 13's rusticl: what computes, GPU shape", trixie({"CLGRAD_SHAPE": "gpu"}, ["rusticl-run"]), gpu_shape({"numbers"})),
)}
