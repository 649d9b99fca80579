"""Scripts made by chance, which both engines execute.

`python -m tests.parity.dlt.scripted --first SEED --count N` plays N of them, and prints each whose
tables differ, with its seed. What docs/scripts.md and docs/parity.md tell of is not made.
"""
