"""The command line: one file a command family, each imported only when it is called."""

from __future__ import annotations

import atexit
import gc
import os
import sys

_UNWRITTEN = 120  # what Python itself ends with where output could not be written


def program() -> int:
    """Run the command line as this whole process, which ends with the exit code."""
    codes: list[int] = []
    atexit.register(_leave, codes)  # the first to be told is the last to be called
    codes.append(main())
    return codes[0]


def main() -> int:
    """Run the command line on this process's arguments and give the exit code."""
    _open_what_is_closed()
    arguments = sys.argv[1:]
    if arguments in (["version"], ["--version"]):
        # Answered before anything is imported: scripts ask often, and wait for it.
        from penstock import __version__  # noqa: PLC0415 (nothing more is needed)

        try:
            print(__version__, flush=True)
        except OSError as exc:
            print(f"error[os]: {exc}", file=sys.stderr)
            os._exit(1)  # what is left in the buffer would fail again
        return 0
    _suit_loading()
    from penstock.cli.app import launch  # noqa: PLC0415 (everything else needs it)

    return launch(arguments)


def _leave(codes: list[int]) -> None:
    """End the process, all in it being done, without taking everything in it to pieces.

    That takes as long as a small command, and a thread of the HTTP client that still holds on to
    Python then ends the process as a failure.
    """
    if not codes:
        return  # something was raised, which Python tells
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        os._exit(_UNWRITTEN)
    os._exit(codes[0])


def _open_what_is_closed() -> None:
    """Let the standard streams that are closed lead nowhere.

    Otherwise the first files that are opened, a database among them, would take their numbers, and
    get what libraries write to the standard streams.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 (it stays open)
            setattr(sys, name, stream)


def _suit_loading() -> None:
    """Set this process up for few large blocks of memory and hardly any cycles of objects.

    Arrow's own allocator keeps more of what was freed than the system's does. As a library,
    Penstock leaves a process as it finds it.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    gc.set_threshold(100_000, 20, 50)  # a small run ends before the first collection
