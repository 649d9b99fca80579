"""Pages that could not be read, kept for whoever has to find out why."""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec

from penstock.errors import DestinationError, ReadError
from penstock.plan.expr import JsonValue
from penstock.plan.page import HttpResponse
from penstock.redact import Redactor

_LONGEST = 60  # characters of a stream's name in that of a file
_SURROGATES = "surrogateescape"  # bytes that are no text come back as they were


class BadPages:
    """A folder with two files for each such page: its body, and what is known of the answer.

    What is secret is masked in both; nothing else of a body is changed.
    """

    def __init__(self, folder: Path, redactor: Redactor) -> None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as exc:
            raise DestinationError(
                f"the folder for bad pages cannot be made: {exc}", code="bad-pages"
            ) from exc
        self._folder = folder
        self._redactor = redactor
        self._count = 0

    def keep(self, stream: str, response: HttpResponse, error: ReadError) -> None:
        """Keep a page, and say so in the error."""
        name = re.sub(r"[^A-Za-z0-9_-]+", "_", stream)[:_LONGEST] or "_"
        told: dict[str, JsonValue] = {
            "stream": stream,
            "error": error.message,
            "code": error.code,
            "request": error.request or "",
            "status": response.status,
            "headers": {**response.headers},
        }
        try:
            body = self._new(name, ".body", self._masked(response.body))
            masked = msgspec.json.format(msgspec.json.encode(self._redactor.data(told)))
            body.with_suffix(".json").write_bytes(masked)
        except OSError as exc:
            said = f"the page could not be kept: {exc}"
        else:
            said = f"the page is kept in {body}"
        error.hint = f"{error.hint}; {said}" if error.hint else said

    def _masked(self, body: bytes) -> bytes:
        text = self._redactor.foreign(body.decode("utf-8", _SURROGATES))
        return text.encode("utf-8", _SURROGATES)

    def _new(self, name: str, ending: str, content: bytes) -> Path:
        """A file that was not there before, only for its owner to read."""
        while True:
            self._count += 1
            path = self._folder / f"{name}-{self._count}{ending}"
            try:
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                continue
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            return path
