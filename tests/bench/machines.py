"""Machines of a lab on this one: a network namespace each, with a link of limited bandwidth and a delay, and the mpirun of Open MPI
over them. For root on Linux.

Without a delay they are joined by a bridge, else by a relay of this program: a switch between TAP devices, which hands each frame on
when its time has come. Bandwidth is a token bucket (tc tbf) at each machine's way out, of one segment as TCP hands it over (64 KiB).
Open MPI takes each namespace for a machine: this program is its remote shell, too.

usage: machines.py [--machines N] [--rate MBIT] [--delay MS] COMMAND...     one command on the first machine
"""
import argparse
import atexit
import fcntl
import heapq
import os
import select
import signal
import struct
import subprocess
import sys
import time

NAME, MOST = "clg{}", 64
ADDRESS = "10.77.0.{}"
BURST = 70000      # bytes: a segment of 64 KiB, and headers
QUEUE = 64 << 20   # nothing is dropped: TCP's windows are smaller
TUNSETIFF, TUNSETOFFLOAD = 0x400454CA, 0x400454D0
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x2, 0x1000, 0x4000
OFFLOAD = 0x1 | 0x2 | 0x4  # checksums and segments of TCP over IPv4 and IPv6 are the reader's
VNET_HDR = 10


def ip(*words):
    subprocess.run(["ip", *words], check=True)


# ---- the relay ----

def open_tap(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
    fcntl.ioctl(fd, TUNSETOFFLOAD, OFFLOAD)
    return fd


def relay(fds, delay):
    """Hands frames on after `delay` seconds, to the machine that has the address, or to all others."""
    waiting, at, count = [], {}, 0
    while True:
        left = max(0, waiting[0][0] - time.monotonic()) if waiting else None
        for fd in select.select(fds, [], [], left)[0]:
            try:
                frame = os.read(fd, 1 << 17)
            except BlockingIOError:
                continue
            to, source = frame[VNET_HDR : VNET_HDR + 6], frame[VNET_HDR + 6 : VNET_HDR + 12]
            at[source] = fd
            count += 1
            heapq.heappush(waiting, (time.monotonic() + delay, count, fd, at.get(to), frame))
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            _, _, source, to, frame = heapq.heappop(waiting)
            for fd in [to] if to is not None else [f for f in fds if f != source]:
                try:
                    os.write(fd, frame)
                except OSError:  # it is not up yet
                    pass


# ---- the machines ----

class Machines:
    """`rate` in Mbit/s (0: as fast as it goes), `delay` in ms each way."""

    def __init__(self, count, rate=0, delay=0):
        self.count, self.rate, self.delay = count, rate, delay
        self.relay = None

    def __enter__(self):
        self.clear()
        atexit.register(self.clear)
        for i in range(self.count):
            ip("netns", "add", NAME.format(i))
            ip("-n", NAME.format(i), "link", "set", "lo", "up")
        if self.delay:
            self.join_by_relay()
        else:
            self.join_by_bridge()
        for i in range(self.count):
            self.set_up(i)
        return self

    def __exit__(self, *_):
        self.clear()
        atexit.unregister(self.clear)

    def clear(self):
        if self.relay:
            os.kill(self.relay, signal.SIGKILL)
            os.waitpid(self.relay, 0)
            self.relay = None
        # Also what an earlier run left that was killed; a namespace takes its links along, but later.
        for link in ["clgbr", *(f"clg{kind}{i}" for kind in "pt" for i in range(MOST))]:
            if os.path.exists(f"/sys/class/net/{link}"):
                subprocess.run(["ip", "link", "del", link], check=False)
        for i in range(MOST):
            if os.path.exists(f"/run/netns/{NAME.format(i)}"):
                ip("netns", "del", NAME.format(i))

    def join_by_bridge(self):
        ip("link", "add", "clgbr", "type", "bridge", "forward_delay", "0")
        ip("link", "set", "clgbr", "up")
        for i in range(self.count):
            ip("link", "add", f"clgp{i}", "type", "veth", "peer", "name", "eth0", "netns", NAME.format(i))
            ip("link", "set", f"clgp{i}", "master", "clgbr", "up")

    def join_by_relay(self):
        fds = [open_tap(f"clgt{i}") for i in range(self.count)]
        for i in range(self.count):
            ip("link", "set", f"clgt{i}", "netns", NAME.format(i), "name", "eth0")
        self.relay = os.fork()
        if not self.relay:
            relay(fds, self.delay / 1e3)
        for fd in fds:
            os.close(fd)

    def set_up(self, i):
        here = NAME.format(i)
        ip("-n", here, "address", "add", ADDRESS.format(i + 1) + "/24", "dev", "eth0")
        ip("-n", here, "link", "set", "eth0", "txqueuelen", "10000", "up")
        inside = ["ip", "netns", "exec", here]
        subprocess.run([*inside, "sysctl", "-q", "net.ipv4.tcp_slow_start_after_idle=0"], check=True)
        if self.rate:
            subprocess.run([*inside, "tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", f"{self.rate}mbit", "burst", str(BURST),
                            "limit", str(QUEUE)], check=True)

    def command(self, words):
        """That runs the words on the first machine."""
        return [*enter(NAME.format(0)), *words]

    def mpirun(self, ranks):
        """The words before a program that run it with a rank on each machine in turn."""
        hosts = ",".join(f"{NAME.format(i)}:{-(-ranks // self.count)}" for i in range(self.count))
        agent = f"{sys.executable} {os.path.abspath(__file__)} --shell"
        options = ["--mca", "plm_rsh_agent", agent, "--mca", "pml", "ob1", "--mca", "btl", "tcp,self", "--mca", "oob_tcp_if_include", "eth0",
                   "--mca", "btl_tcp_if_include", "eth0", "--bind-to", "none", "--map-by", "node"]
        return self.command(["mpirun", *options, "-H", hosts, "-np", str(ranks)])


def enter(machine):
    """The words before a command that run it there, under the machine's name."""
    return ["ip", "netns", "exec", machine, "unshare", "--uts", "sh", "-c", 'hostname "$0"; exec "$@"', machine]


def main():
    if sys.argv[1:2] == ["--shell"]:  # MACHINE WORDS: a line, as ssh's
        os.execvp("ip", [*enter(sys.argv[2]), "sh", "-c", " ".join(sys.argv[3:])])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--machines", type=int, default=2)
    parser.add_argument("--rate", type=float, default=0, help="Mbit/s")
    parser.add_argument("--delay", type=float, default=0, help="ms each way")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    with Machines(args.machines, args.rate, args.delay) as lab:
        sys.exit(subprocess.run(lab.command(args.command), check=False).returncode)


if __name__ == "__main__":
    main()
