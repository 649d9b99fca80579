"""Chance that can be repeated: numbers that depend on a seed and an index, and on nothing else."""

from __future__ import annotations

from zlib import crc32

_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15


def mix(seed: int, index: int) -> int:
    """Give 64 well-mixed bits for one index of one seed (the splitmix64 finaliser)."""
    bits = (seed + index * _STEP) & _MASK
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & _MASK
    return bits ^ (bits >> 31)


def salt(seed: int, word: str) -> int:
    """Give the seed of one purpose, so that two purposes never draw the same numbers."""
    return mix(seed, crc32(word.encode()) + 1)


def share(seed: int, index: int) -> float:
    """Give a number in [0, 1) for one index of one seed."""
    return (mix(seed, index) >> 11) / (1 << 53)
