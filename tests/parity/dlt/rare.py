"""Cases of forms and values that few configurations have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.parity.dlt.data import Parts, answer, config, resource
from tests.parity.dlt.harness import Case, Outcome
from tests.parity.dlt.server import Ask

DATA = {"data_selector": "data", "paginator": "single_page"}


def _one(name: str, endpoint: Parts, client: Parts | None = None, **more: Any) -> Case:
    """One resource of one page, which tells what was asked."""
    return Case(
        name=f"rare: {name}", runs=1, **{"api": _told, **more},
        config=lambda base: config(base, resource("things", {**DATA, **endpoint}), client=client),
    )  # fmt: skip


def _told(ask: Ask) -> Any:
    return answer([{"id": 1, "said": ask.headers.get("x-name", "nothing")}])


def _utf8(theirs: list[Outcome], ours: list[Outcome]) -> None:
    """The server reads headers as Latin-1."""
    assert theirs[0].rows("things", "said") == ["café"]
    assert ours[0].rows("things", "said") == ["café".encode().decode("latin-1")]


def _all_letters(theirs: list[Outcome], ours: list[Outcome]) -> None:
    assert "latin-1" in theirs[0].error
    assert ours[0].rows("things", "said") == ["łódź".encode().decode("latin-1")]


def _headers() -> Iterator[Case]:
    row = ("a header that is not written in ASCII",)
    yield _one("a header in Latin-1", {"headers": {"X-Name": "café"}}, differs=row, check=_utf8)
    yield _one(
        "a token in Latin-1",
        {},
        {"auth": {"type": "api_key", "name": "X-Name", "api_key": "café"}},
        differs=row,
        check=_utf8,
    )
    yield _one("a header of other letters", {}, {"headers": {"X-Name": "łódź"}},
               differs=row, check=_all_letters)  # fmt: skip
    yield _one("a header of bytes", {"headers": {"X-Name": "łódź".encode()}})
    yield _one("Basic credentials in Latin-1", {}, {"auth": {
        "type": "http_basic", "username": "café", "password": "é"}})  # fmt: skip


CASES = [*_headers()]
