"""Cases of forms and values that few configurations have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.parity.dlt.better import LIST, NULL_PARENT
from tests.parity.dlt.data import Parts, answer, config, resource
from tests.parity.dlt.harness import Case, Outcome
from tests.parity.dlt.server import Ask

DATA = {"data_selector": "data", "paginator": "single_page"}


def _one(name: str, endpoint: Parts, client: Parts | None = None, **more: Any) -> Case:
    """One resource of one page, which tells what was asked."""
    return Case(
        name=f"rare: {name}", **{"runs": 1, "api": _told, **more},
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


def _versions(ask: Ask) -> Any:
    """Records in no order, with lists that texts would order otherwise."""
    held = [[10, "a"], [9, "b"], *([[11, "a"], [10, "b"], [9, "a"]] if ask.round > 1 else [])]
    return answer([{"id": n, "at": at} for n, at in enumerate(held)])


def _once_each(theirs: list[Outcome], ours: list[Outcome]) -> None:
    assert [o.targets() for o in theirs] == [
        ["/things?since=%5B1%5D"],
        ["/things?since=%5B10%2C+%27a%27%5D"],
    ]
    assert [o.targets() for o in ours] == [["/things?since=1"], ["/things?since=10&since=a"]]
    assert all(o.rows("things", "id") == t.rows("things", "id")
               for o, t in zip(ours, theirs, strict=True))  # fmt: skip


def _cursors() -> Iterator[Case]:
    since: Parts = {"cursor_path": "at"}
    told: Parts = {"api": _versions, "runs": 2}
    yield _one("a list for a cursor", {"incremental": {**since, "start_param": "since"}}, **told)
    yield _one("a list for a cursor, in a template", {
        "incremental": {**since, "initial_value": [1]},
        "params": {"since": "{incremental.start_value}"},
    }, **told, differs=(LIST,), check=_once_each)  # fmt: skip
    yield _one("objects for a cursor", {"incremental": since}, refused="cursor-object",
               api=lambda _ask: answer([{"id": n, "at": {"n": n}} for n in (1, 2)]))  # fmt: skip


def _album(ask: Ask) -> Any:
    """One thing for each parent, which has a list of its own in pages."""
    if ask.path == "/albums":
        return answer([{"id": 1}, {"id": 2}])
    at = ask.number("offset")
    return {"of": ask.path, "total": 5, "songs": [{"n": n} for n in range(1, 6)][at : at + 2]}


def _single() -> Iterator[Case]:
    """Offsets where a page is one object: they move on by what was asked for, as in dlt."""
    offset: Parts = {"type": "offset", "limit": 2}
    ways: dict[str, Parts] = {
        "a total": offset,
        "a maximum": {**offset, "total_path": None, "maximum_offset": 4},
        "pages of one": {**offset, "limit": 1},
    }
    for name, paginator in ways.items():
        yield Case(
            name=f"rare: an offset in one object, {name}", runs=1, api=_album,
            config=lambda base, paginator=paginator: config(
                base, resource("albums", DATA),
                resource("songs", {"path": "albums/{resources.albums.id}",
                                   "paginator": paginator})),
        )  # fmt: skip


def _teams(ask: Ask) -> Any:
    """Parents with a null in one field or the other."""
    if ask.path == "/teams":
        return answer([{"id": 1, "lead": "x"}, {"id": 2, "lead": None}, {"id": None, "lead": "y"}])
    return answer([{"asked": ask.target, "with": ask.json}])


def _whole_teams(theirs: list[Outcome], ours: list[Outcome]) -> None:
    """The second field of a path, or one in the query, counts as the first does."""
    asked = [t for t in theirs[0].targets() if t != "/teams"]
    assert len(asked) == 3
    assert all("None" in t for t in asked if "x" not in t)
    assert [t for t in ours[0].targets() if t != "/teams"] == [t for t in asked if "x" in t]
    assert ours[0].warnings() == {"parent-null"}


def _nulls() -> Iterator[Case]:
    lead, team = "{resources.teams.lead}", "{resources.teams.id}"
    told: Parts = {"differs": (NULL_PARENT,), "check": _whole_teams}
    ways: dict[str, tuple[Parts, Parts]] = {
        "in a path": ({"path": f"of/{team}/{lead}/tasks"}, told),
        "in a path and the query": ({"path": f"of/{team}/tasks", "params": {"by": lead}}, told),
        "in a JSON body": (
            {"path": "tasks", "method": "POST", "json": {"of": {"by": lead}, "ids": [team]}}, {},
        ),
    }  # fmt: skip
    for name, (endpoint, of) in ways.items():
        yield Case(
            name=f"rare: a null of a parent {name}", runs=1, api=_teams, **of,
            config=lambda base, endpoint=endpoint: config(
                base, resource("teams", DATA), resource("tasks", {**DATA, **endpoint})),
        )  # fmt: skip


_SHAPES: Parts = {
    "data": {"k1": {"id": 1, "s": [1]}, "k2": {"id": 2}},
    "one": {"only": {"id": 9}},
    "of_lists": {"a": [{"id": 3}], "b": [{"id": 4}]},
    "list": [{"id": 5}],
    "none": None,
    "empty": {},
}


def _values() -> Iterator[Case]:
    """The values of an object, at a path that ends in a star."""
    for name in _SHAPES:
        yield Case(
            name=f"rare: each value of {name}", runs=1, api=lambda _ask: _SHAPES,
            config=lambda base, name=name: config(
                base, resource("things", {"data_selector": f"{name}[*]"})),
        )  # fmt: skip
    for selector in ("$[*]", "[*]"):
        yield Case(
            name=f"rare: each value of a whole answer, {selector}", runs=1,
            api=lambda _ask: _SHAPES["data"],
            config=lambda base, selector=selector: config(
                base, resource("things", {"data_selector": selector})),
        )  # fmt: skip
    yield Case(
        name="rare: tables that come to one name",
        api=lambda ask: [{"id": ask.path, "kids": [{"of": ask.path}]}],
        config=lambda base: config(
            base, resource("MyThings"), resource("my_things"),
            resource("other", table_name="My-Things", write_disposition="append")),
    )  # fmt: skip
    yield Case(
        name="rare: a path with an empty segment", runs=1,
        api=lambda ask: [{"id": 1, "asked": ask.target}],
        config=lambda base: config(base, resource("things", {"path": "a//b/?x=1"})),
    )  # fmt: skip


CASES = [*_nulls(), *_headers(), *_cursors(), *_single(), *_values()]
