"""Configurations and APIs made by chance, which both engines play.

`python -m tests.parity.dlt.chance --first SEED --count N` plays N of them, and prints each that
differs with its seed, cut down to what the difference needs.
"""
