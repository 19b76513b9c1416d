"""What a step costs on R ranks, by alpha and beta: the model of docs/scaling.md, as arithmetic.

A step is its computation and what it waits for at the end of each sum of gradients. A sum's vector is cut into buckets, which leave when
all their gradients are there, one behind the other; 2(R-1)/R of its bytes go out at each rank, in 2 log2 R exchanges a bucket. Those of a
bucket wait for each other, but not for another's: many are under way, and latency counts for the last ones alone.
"""
import math
from dataclasses import dataclass

EAGER = 64 << 10  # bytes from which Open MPI asks, over TCP


@dataclass
class Link:
    latency: float     # seconds of an exchange of few bytes, both ways at once
    large: float       # and of many, which MPI first asks leave for; without the time that their bytes take
    rate: float        # bytes a second each way
    host: float = 0.0  # seconds of the processor's a byte that is sent, which computation loses

    def exchange(self, size):
        return self.latency if size < EAGER else self.large


@dataclass
class Leaf:
    bytes: int
    behind: float  # seconds of computation that follow it, before the sum is waited for


def sent(size, ranks):
    """Bytes that a rank sends of a vector of so many; all ranks together: 2 (R - 1) vectors."""
    return 2 * (ranks - 1) / ranks * size


def latencies(size, ranks, link):
    """Seconds of a bucket's exchanges, each of which waits for the one before, beside what its bytes take: a half, a quarter, .. and back."""
    return 2 * sum(link.exchange(size / 2**k) for k in range(1, int(math.log2(ranks)) + 1))


def cut(leaves, bucket):
    """(bytes, seconds behind) of each bucket; leaves are in the order in which they come."""
    buckets, room = [], 0
    for leaf in leaves:
        left = leaf.bytes
        while left > 0:
            if not room:
                buckets.append([0, leaf.behind])
                room = bucket
            part = min(room, left)
            buckets[-1][0] += part
            buckets[-1][1] = min(buckets[-1][1], leaf.behind)
            room -= part
            left -= part
    return buckets


def transfer(leaves, ranks, link, bucket):
    """Seconds of a sum of which nothing is hidden."""
    return exposed([Leaf(leaf.bytes, 0) for leaf in leaves], ranks, link, bucket)


def exposed(leaves, ranks, link, bucket):
    """Seconds from the end of the computation to the end of the sum."""
    if ranks == 1:
        return 0.0
    free, end = -math.inf, 0.0  # when the link has sent what was there before, and when all is there; 0: the computation ends
    for size, behind in cut(leaves, bucket):
        free = max(free, -behind) + sent(size, ranks) / link.rate
        end = max(end, free + latencies(size, ranks, link))
    return end


def step(compute, sums, ranks, link, bucket, ranks_per_core=1, overlap=True):
    """(seconds of a step, of transfers, of these exposed). `sums`: leaves of each."""
    whole = sum(transfer(leaves, ranks, link, bucket) for leaves in sums)
    waits = sum(exposed(leaves, ranks, link, bucket) for leaves in sums) if overlap else whole
    out = sum(sent(leaf.bytes, ranks) for leaves in sums for leaf in leaves)
    # While it waits the processor is free for what the messages take of it.
    hidden = 1 - min(1, waits / whole) if whole else 0
    return compute + waits + hidden * out * link.host * ranks_per_core, whole, waits


def scaled(sums, by):
    """The same leaves on a device that is `by` times as slow."""
    return [[Leaf(leaf.bytes, leaf.behind * by) for leaf in leaves] for leaves in sums]
