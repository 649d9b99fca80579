"""The command line in processes of their own, with less of the machine than it is used to.

Run as a script it is the warm process from which each command is forked: a JSON line says the
arguments, the folder, the environment and the limits.
"""

from __future__ import annotations

import os
import resource
import signal
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from tests.support import warm

WARM = (
    *("duckdb", "pyarrow.json", "pyreqwest.client", "penstock.engine", "penstock.shape.lanes"),
    *("penstock.cli.run", "penstock.destinations.duckdb", "penstock.destinations.parquet"),
)
LIMITS = {
    "file": resource.RLIMIT_FSIZE,
    "descriptors": resource.RLIMIT_NOFILE,
}


LONGEST = 90.0  # seconds that a command may take, on a busy machine too


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended: its exit code, or minus the signal; and what it wrote."""

    code: int
    out: str
    err: str


def serve() -> None:
    """Run a command for each line of standard input: say its id, and then how it ended."""
    for command in warm.told(*WARM):
        pid = warm.forked(partial(_become, command))
        warm.say(pid)
        warm.say(warm.ended(pid))


def _become(told: dict[str, Any]) -> None:
    """Be the command, in this forked process."""
    from penstock.cli.app import launch  # noqa: PLC0415 (imported before the fork)

    os.chdir(told["folder"])
    os.environ.update(told["environ"])
    for number, name in enumerate(("in", "out", "err")):
        os.close(number)
        path = {"in": os.devnull, "out": told["out"], "err": told["err"]}[name]
        made = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        assert made == number
    for name, most in told["limits"].items():
        resource.setrlimit(LIMITS[name], (most, most))
    os._exit(launch(told["arguments"]))


class Shell(warm.Warm):
    """The warm process, as the tests talk to it."""

    def __init__(self) -> None:
        super().__init__(__file__)
        self._folder = Path()
        self._pid = 0

    def start(
        self,
        folder: Path,
        *arguments: str,
        environ: Mapping[str, str] | None = None,
        out: str = "out",
        err: str = "err",
        **limits: int,
    ) -> int:
        """Begin a command in a folder; gives the id of its process.

        `out` and `err` are where its streams lead.
        """
        self._folder = folder
        for name in ("out", "err"):
            (folder / name).unlink(missing_ok=True)
        self.tell(
            arguments=arguments,
            folder=str(folder),
            environ=dict(environ or {}),
            limits=limits,
            out=out,
            err=err,
        )
        self._pid = self.hear()
        return self._pid

    def end(self, longest: float = LONGEST) -> Ended:
        """Wait for the command that was begun; one that does not end is killed."""
        patience = threading.Timer(longest, os.kill, (self._pid, signal.SIGKILL))
        patience.start()
        code = self.hear()
        patience.cancel()
        out, err = (self._folder / "out", self._folder / "err")
        return Ended(
            code=code,
            out=out.read_text("utf-8") if out.exists() else "",
            err=err.read_text("utf-8") if err.exists() else "",
        )

    def __call__(self, folder: Path, *arguments: str, **options: Any) -> Ended:
        """Run a command to its end."""
        self.start(folder, *arguments, **options)
        return self.end()


if __name__ == "__main__":
    serve()
