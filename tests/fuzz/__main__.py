"""A fuzzer that follows what code is reached: `python -m tests.fuzz TARGET [OPTION …]`.

It needs `pip install -e '.[fuzz]'`. Options are those of libFuzzer, as `-max_total_time=600`, and a
folder, if one is named, keeps the inputs that reached something new. What it finds is written to a
file, which the same command plays again when it is named instead.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["penstock"]):
    from tests.fuzz.play import bounded
    from tests.fuzz.targets import TARGETS


class Consumed:
    """Decides as the fuzzer's bytes say; when they are used up, for the first of everything."""

    def __init__(self, data: bytes) -> None:
        self._data = atheris.FuzzedDataProvider(data)

    def below(self, count: int) -> int:
        """A whole number from 0 to below `count`."""
        return int(self._data.ConsumeIntInRange(0, count - 1))


def main() -> None:
    """Fuzz until the options, or something found, say that it is enough."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in TARGETS:
        raise SystemExit(f"usage: python -m tests.fuzz {'|'.join(TARGETS)} [OPTION …]")

    def once(data: bytes) -> None:
        with bounded():
            TARGETS[name](Consumed(data))

    atheris.Setup([sys.argv[0], *sys.argv[2:]], once)
    atheris.Fuzz()


main()
