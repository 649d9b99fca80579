"""The command line: one file a command family, each imported only when it is called."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line on this process's arguments and give the exit code."""
    arguments = sys.argv[1:]
    if arguments in (["version"], ["--version"]):
        # Answered before anything is imported: scripts ask often, and wait for it.
        from penstock import __version__  # noqa: PLC0415 (nothing more is needed)

        print(__version__)
        return 0
    from penstock.cli.app import launch  # noqa: PLC0415 (everything else needs it)

    return launch(arguments)
