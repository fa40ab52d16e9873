"""The batches that `permafrost bench` measures: the same sentences in the same order.

A port of src/io/random.ts and src/batching/order.ts; test/bench/peers.test.ts compares them.

    python batches.py LENGTHS.json [--batch-size 32] [--count 4] [--seed 42]     prints the lengths of each batch
"""

import argparse
import json

MAX_LENGTH = 128
_MASK = 0xFFFFFFFF


class Random:
    """xoshiro128** with its state filled by splitmix32."""

    def __init__(self, seed, stream=""):
        mix = (seed & _MASK) ^ ((seed >> 32) & _MASK) ^ _fnv1a(stream)
        self._state = []
        for _ in range(4):
            mix = (mix + 0x9E3779B9) & _MASK
            z = ((mix ^ (mix >> 16)) * 0x85EBCA6B) & _MASK
            z = ((z ^ (z >> 13)) * 0xC2B2AE35) & _MASK
            self._state.append(z ^ (z >> 16))

    def uint32(self):
        s = self._state
        result = (_rotate_left((s[1] * 5) & _MASK, 7) * 9) & _MASK
        shifted = (s[1] << 9) & _MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= shifted
        s[3] = _rotate_left(s[3], 11)
        return result

    def next(self):
        high = self.uint32() >> 5
        return (high * 2**26 + (self.uint32() >> 6)) / 2**53

    def shuffle(self, items):
        for i in range(len(items) - 1, 0, -1):
            j = int(self.next() * (i + 1))
            items[i], items[j] = items[j], items[i]
        return items


def _rotate_left(x, bits):
    return ((x << bits) | (x >> (32 - bits))) & _MASK


def _fnv1a(text):
    value = 0x811C9DC5
    for byte in text.encode():
        value = ((value ^ byte) * 0x01000193) & _MASK
    return value


def read_lengths(path):
    """Token counts, special tokens included, cut at 128."""
    with open(path) as file:
        return [min(length, MAX_LENGTH) for length in json.load(file)]


def batch_lengths(lengths, batch_size, count, seed):
    """The lengths of the sentences of the first `count` full batches, epoch after epoch."""
    if len(lengths) < batch_size:
        raise SystemExit(f"expected at least {batch_size} sentences, one batch, got {len(lengths)}")
    batches, epoch = [], 0
    while len(batches) < count:
        order = Random(seed, f"order/{epoch}").shuffle(list(range(len(lengths))))
        for start in range(0, len(order) - batch_size + 1, batch_size):
            batches.append([lengths[i] for i in order[start : start + batch_size]])
        epoch += 1
    return batches[:count]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("lengths")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--seed", type=int, default=42)
    args = parser.parse_args()
    for batch in batch_lengths(read_lengths(args.lengths), args.batch_size, args.count, args.seed):
        print(json.dumps(batch))
