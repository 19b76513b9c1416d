"""Three vendors' compilers, which need no GPU: what each says of a program's kernels.

Each vendor names its targets; `compile(target, source)` gives, or raises Broken with the compiler's words,
{kernel: {registers, waves, group, stack, spills, scalars, loops}} where waves are those that a compute unit's part can hold at once as
a share of its most, group is bytes of local memory, scalars are those that AMD keeps in lanes of a vector register, and loops are the
shares of multiply-adds (loops.py).
"""
import glob
import hashlib
import os
import re
import shutil
import subprocess
import tempfile

from loops import shares

CACHE = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
TOOLS = os.environ.get("GPU_TOOLS") or os.path.join(CACHE, "clgrad-gpu")  # where fetch unpacked them
LEAST = 16  # multiply-adds of a loop that counts
OPENCL = ["-x", "cl", "-cl-std=CL1.2", "-w", "-O3", "-S"]


class Broken(Exception):
    """A program that a compiler refuses."""


def run(words, **more):
    """What it says. A tool that was unpacked has its libraries there, too."""
    env = dict(os.environ)
    if words[0].startswith(TOOLS):
        env["LD_LIBRARY_PATH"] = ":".join(glob.glob(os.path.join(TOOLS, "usr/lib/*-linux-gnu")))
    done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False, env=env, **more)
    if done.returncode:
        raise Broken((done.stderr + done.stdout).strip()[:600] or f"{words[0]} exits with {done.returncode}")
    return done.stdout + done.stderr


def first(*paths):
    """The first that exists; names without a slash are looked for in PATH."""
    for path in paths:
        found = shutil.which(path) if "/" not in path else next(iter(sorted(glob.glob(path))), None)
        if found:
            return found
    return None


def inside(*paths):
    """In the folder of unpacked packages, or in the system."""
    return [os.path.join(root, path) for path in paths for root in (TOOLS, "/")]


def version_of(words, pattern):
    return re.search(pattern, run(words))[1]


def clang_version(clang):
    return version_of([clang, "--version"], r"version ([0-9.]+)")


class Nvidia:
    """clang and libclc make PTX of it; ptxas, the compiler of NVIDIA's driver, the rest."""

    name = "nvidia"
    targets = ["sm_80"]
    finds = ["too_many", "indexed", "large"]  # of faulty.cl

    def __init__(self):
        self.clang = first(*inside("usr/bin/clang-15"), "clang-15")
        self.library = first(*inside("usr/lib/clc/nvptx64--nvidiacl.bc"))
        self.ptxas = first(*inside("bin/ptxas"), "ptxas", "/usr/local/cuda/bin/ptxas")
        self.lacks = [n for n, v in (("clang-15", self.clang), ("libclc-15-dev", self.library), ("ptxas", self.ptxas)) if not v]

    def version(self):
        return f"clang {clang_version(self.clang)} and ptxas {version_of([self.ptxas, '--version'], 'V([0-9.]+)')}"

    def compile(self, target, source, folder):
        ptx = os.path.join(folder, "k.ptx")
        run([self.clang, *OPENCL, "-target", "nvptx64-nvidia-nvcl", "-DFP_FAST_FMAF=1", "-Xclang", "-mlink-bitcode-file", "-Xclang",
             self.library, "-o", ptx, source])
        said = run([self.ptxas, "-arch=" + target, "-v", ptx, "-o", os.path.join(folder, "k.cubin")])
        with open(ptx, encoding="utf-8") as file:
            texts = re.split(r"\.entry (\w+)\b", file.read())
        code = dict(zip(texts[1::2], texts[2::2]))
        kernels = {}
        for name, part in re.findall(r"Compiling entry function '(\w+)'(.*?)(?=Compiling entry function|\Z)", said, re.S):
            stack, stores, loads = (max(map(int, n)) for n in zip(*re.findall(
                r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", part)))
            registers = int(re.search(r"Used (\d+) registers", part)[1])
            group = re.search(r"(\d+) bytes smem", part)
            kernels[name] = {"registers": registers, "waves": min(1, 65536 // (-(-registers // 8) * 8 * 32) / 64), "stack": stack,
                             "spills": stores + loads, "group": int(group[1]) if group else 0, "loops": shares(code[name], LEAST)}
        return kernels


class Amd:
    """clang and AMD's device libraries, as ROCm's OpenCL has them."""

    name = "amd"
    targets = ["gfx1030", "gfx90a"]
    finds = ["too_many", "indexed", "large"]
    waves = {"gfx1030": 16, "gfx90a": 8}  # of a SIMD

    def __init__(self):
        self.clang = first(*inside("usr/bin/clang-15"), "clang-15")
        opencl = first(*inside("usr/lib/*/amdgcn/bitcode/opencl.bc", "usr/amdgcn/bitcode/opencl.bc"))
        self.library = os.path.dirname(opencl) if opencl else None
        self.lacks = [n for n, v in (("clang-15", self.clang), ("rocm-device-libs", self.library)) if not v]

    def version(self):
        return f"clang {clang_version(self.clang)}"

    def compile(self, target, source, folder):
        out = os.path.join(folder, target + ".s")
        run([self.clang, *OPENCL, "-target", "amdgcn-amd-amdhsa", "-mcpu=" + target, "--rocm-path=" + self.library,
             "--rocm-device-lib-path=" + self.library, "-o", out, source])
        with open(out, encoding="utf-8") as file:
            text = file.read()
        kernels = {}
        parts = re.split(r"^(\w+):\s*; @\w+$", text, flags=re.M)
        for name, code in zip(parts[1::2], parts[2::2]):
            if "; COMPUTE_PGM_RSRC2:USER_SGPR" not in code:
                continue  # a function, whose registers its callers count
            says = lambda what, code=code: int(re.search(rf"^; {what}: (\d+)", code, re.M)[1])
            kernels[name] = {"registers": says("NumVgprs"), "waves": min(1, says("Occupancy") / self.waves[target]),
                             "stack": says("ScratchSize"), "group": says("LDSByteSize"), "loops": shares(code, LEAST)}
        for part in text.split("amdhsa.kernels:")[1].split("\namdhsa.")[0].split("\n  - ")[1:]:
            said = kernels[re.search(r"^    \.name: +(\w+)$", part, re.M)[1]]
            # Scalars go to lanes of a vector register, and to memory, which is scratch, only when there is none left.
            said["spills"], said["scalars"] = (int(re.search(kind + r"gpr_spill_count: *(\d+)", part)[1]) for kind in "vs")
        return kernels


class Intel:
    """ocloc, the compiler of Intel's driver, which tells of spills alone."""

    name = "intel"
    targets = ["tgllp"]
    finds = ["too_many"]

    def __init__(self):
        self.ocloc = first(*inside("usr/bin/ocloc"), "ocloc")
        self.lacks = [] if self.ocloc else ["intel-opencl-icd (ocloc)"]

    def version(self):
        with tempfile.TemporaryDirectory() as folder:
            run([self.ocloc, "query", "OCL_DRIVER_VERSION"], cwd=folder)
            with open(os.path.join(folder, "OCL_DRIVER_VERSION"), encoding="utf-8") as file:
                return "ocloc " + re.search("[0-9.]+", file.read())[0]

    def compile(self, target, source, folder):
        said = run([self.ocloc, "compile", "-file", source, "-device", target, "-options", "-cl-std=CL1.2 -w", "-out_dir", folder])
        if "Build succeeded" not in said:
            raise Broken(said.strip()[:600])
        return {name: {"spills": int(n)} for name, n in re.findall(r"kernel (\w+) .*spilled around (\d+)", said)}


def versions(vendor):
    """What decides a vendor's answers besides the source: its tools, and how they are called here."""
    key = hashlib.sha256()
    here = os.path.dirname(os.path.abspath(__file__))
    for path in [os.path.join(here, "vendors.py"), os.path.join(here, "loops.py")]:
        with open(path, "rb") as file:
            key.update(file.read())
    for attribute, path in sorted(vars(vendor).items()):
        if isinstance(path, str) and os.path.exists(path):
            key.update(f"{attribute} {path} {os.stat(path).st_size} {os.stat(path).st_mtime_ns}".encode())
    return key.hexdigest()
