"""What a script prints while it is executed: values in place of the marks that stand for them."""

from __future__ import annotations

import io
from typing import Any, TextIO

from penstock.dialects.dlt.standin.base.references import shown


class Printing(io.TextIOBase):
    """A stream for a script's own words; what is known of its values is shown, but no secret."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text, without marks."""
        self._stream.write(shown(text))
        return len(text)

    def flush(self) -> None:
        """Write out what waits."""
        self._stream.flush()

    def isatty(self) -> bool:
        """Whether somebody reads along."""
        return self._stream.isatty()

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """The file behind it."""
        return self._stream.fileno()

    @property
    def encoding(self) -> Any:  # type: ignore[override]  # a stream has it as an attribute
        """How letters are written there."""
        return self._stream.encoding
