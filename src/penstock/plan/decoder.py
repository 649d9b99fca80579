"""How a body becomes values."""

from __future__ import annotations

from typing import Literal

import msgspec

Format = Literal["json", "jsonl", "csv", "xml", "lines"]


class Decoder(msgspec.Struct, frozen=True, kw_only=True):
    """How a body becomes values; `gzip` and `zip` unpack it first where it is packed.

    `items` leads to a list inside a JSON body that is read item by item, each an answer of its own.
    `lines` makes `{"record": line}` of every line. `nulls` are texts of a CSV that stand for null.
    """

    format: Format = "json"
    gzip: bool = False
    zip: bool = False
    encoding: str = "utf-8"
    delimiter: str = ","
    items: tuple[str, ...] = ()
    nulls: tuple[str, ...] = ()

    def wrong(self) -> str | None:
        """What no body can be read with, if there is something."""
        try:
            b"?".decode(self.encoding, "replace")
        except (LookupError, ValueError):
            return f"there is no encoding called {self.encoding!r}"
        try:
            if self.format == "csv":
                import csv  # noqa: PLC0415 (few documents decode it)

                csv.reader((), delimiter=self.separator)
        except (TypeError, ValueError):
            return f"a delimiter is one character, and not {self.delimiter!r}"
        return None

    @property
    def separator(self) -> str:
        """The delimiter, which may be written as an escape."""
        return self.delimiter.encode().decode("unicode_escape")
