"""An API that does what a description says: plain data, so that it can be cut down like a config.

A description maps the first part of a path to what is answered there:

`rounds`  the records of the first run and of the second; `_of` says whose child a record is
`wrap`    how the records of a page stand in the body
`pages`   how pages follow one another; with `gaps` some records of each are left out
`owner`   where a request says whose children it wants: a place, and the parent's values
`since`   where a request says from which value of a field on it wants records
`faults`  what is answered in place of records, and when
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from tests.parity.dlt.data import Parts, Record, put
from tests.parity.dlt.server import Api, Ask, Reply

MOST = 150  # an API that is asked for more is asked without end


def api(described: Parts) -> Api:
    """What answers as described."""
    asked: dict[tuple[str, int], int] = {}

    def answered(ask: Ask) -> Reply:
        key = (ask.base, ask.round)
        asked[key] = asked.get(key, 0) + 1
        if asked[key] > MOST:
            return Reply(status=410, body={"error": "asked without end"})
        parts = [unquote(p) for p in ask.path.split("/") if p]
        stem = next((p for p in parts if p in described), None)
        if stem is None:
            return Reply(status=404, body={"error": "no such thing"})
        if described[stem].get("kind") == "token":
            return Reply(body={"access_token": "t", "expires_in": 3600, "token_type": "Bearer"})
        rest = parts[parts.index(stem) + 1 :]
        return _endpoint(described[stem], ask, rest)

    return answered


def _endpoint(spec: Parts, ask: Ask, rest: list[str]) -> Reply:
    held = list(spec["rounds"][min(ask.round, len(spec["rounds"])) - 1])
    owner = spec.get("owner")
    if owner:
        wanted = place(ask, owner["where"], rest)
        held = [r for r in held if str(r.get("_of")) == str(wanted)]
        for fault in spec.get("faults", ()):
            if str(fault["of"]) == str(wanted):
                ahead = place(ask, spec["pages"].get("start", ["query", ""]), rest)
                beyond = str(ahead or 0) not in {"0", str(spec["pages"].get("base", 0))}
                body = {"error": fault["says"]}
                return Reply(status=fault["status"], body=body, empty=beyond)
    since = spec.get("since")
    if since:
        first = place(ask, since["where"], rest)
        held = [r for r in held if _from(r, since["field"], first)]
    return _page(spec, ask, rest, [_plain(r) for r in held])


def _plain(record: Any) -> Any:
    if not isinstance(record, dict):
        return record
    return {k: v for k, v in record.items() if k != "_of"}


def _from(record: Record, field: str, first: Any) -> bool:
    value = record.get(field)
    if first in {None, ""} or value is None:
        return True
    try:
        return bool(value >= (first if isinstance(value, str) else type(value)(first)))
    except (TypeError, ValueError):
        return True


def place(ask: Ask, where: list[Any], rest: list[str]) -> Any:
    """What a request says at a place."""
    kind, name = where
    match kind:
        case "query":
            return dict(ask.query).get(name)
        case "header":
            said = ask.headers.get(name.lower())
            return said.encode("latin-1").decode("utf-8", "replace") if said else said
        case "path":
            return rest[name] if name < len(rest) else None
        case "form":
            return dict(parse_qsl(ask.body.decode())).get(name)
        case "text":
            return ask.body.decode().rpartition(name)[2]
    held: Any = ask.json if ask.body[:1] == b"{" else {}
    for step in name.split("."):
        held = held.get(step) if isinstance(held, dict) else None
    return held


# Pages.


def _page(spec: Parts, ask: Ask, rest: list[str], held: list[Record]) -> Reply:
    pages = spec.get("pages", {"kind": "none"})
    kind = pages["kind"]
    if kind == "none":
        return _body(spec, held, {}, {})
    size = pages["size"]
    said = place(ask, pages["start"], rest)
    limit = place(ask, pages["limit"], rest) if pages.get("limit") else None
    size = int(limit) if limit not in {None, ""} else size
    first = _first(pages, said, size)
    page = held[first : first + size]
    last = first + size >= len(held)
    counted = kind in {"offset", "page"}
    if counted and not page and first and pages.get("over"):
        return Reply(status=pages["over"], body={"error": "no such page"}, empty=True)
    total = len(held) if kind == "offset" else -(-len(held) // size)
    beside: Parts = {}
    for name, value in (("total", total), ("more", not last)):
        if pages.get(name):
            form = {"text": lambda v: str(v).lower()}.get(pages.get("as", ""), lambda v: v)
            beside[pages[name]] = form(value)
    headers: dict[str, str] = {}
    if not counted:
        _follow(pages, ask, None if last else first + size, beside, headers)
    if pages.get("gaps"):
        page = [r for r in page if zlib.crc32(str(r.get("id")).encode()) % 3]
    reply = _body(spec, page, beside, headers)
    beyond = counted and not page and first > 0
    return Reply(body=reply.body, headers=headers, empty=beyond)


def _first(pages: Parts, said: Any, size: int) -> int:
    if said in {None, ""}:
        return 0
    number = int(str(said).removeprefix("t"))
    return max(0, number - pages.get("base", 0)) * size if pages["kind"] == "page" else number


def _follow(
    pages: Parts, ask: Ask, following: int | None, beside: Parts, headers: dict[str, str]
) -> None:
    """Say where the next page is, the way this API does."""
    token, last = f"t{following}", following is None
    if pages["kind"] in {"link", "header link"}:
        query = [(k, v) for k, v in ask.query if k != pages["start"][1]]
        asked = urlencode([*query, (pages["start"][1], token)])
        form = pages.get("form", "absolute")
        origin = {"absolute": ask.base + ask.path, "root": ask.path, "query": ""}[form]
        token = f"{origin}?{asked}"
    if pages["kind"] == "header link":
        if not last:
            headers["Link"] = f'<{ask.base}/x>; rel="first", <{token}>; rel="{pages["at"]}"'
    elif pages["kind"] == "header cursor":
        if not last:
            headers[pages["at"]] = token
    elif not last:
        beside[pages["at"]] = token
    elif pages.get("end") != "absent":
        beside[pages["at"]] = "" if pages.get("end") == "empty" else None


# Bodies.


def _body(spec: Parts, page: list[Record], beside: Parts, headers: dict[str, str]) -> Reply:
    body: Any = WRAPS[spec.get("wrap", "data")](page)
    if isinstance(body, dict):
        for path, value in beside.items():
            put(body, path, value)
    return Reply(body=body, headers=headers)


def _grouped(page: list[Record]) -> list[Parts]:
    return [{"subs": page[n : n + 2], "n": n} for n in range(0, len(page), 2)]


WRAPS: dict[str, Callable[[list[Record]], Any]] = {
    "data": lambda page: {"data": page},
    "items": lambda page: {"ok": True, "items": page},
    "deep": lambda page: {"a": {"b": page}},
    "root": lambda page: page,
    "odd": lambda page: {"odd key": page},
    "dashed": lambda page: {"odd-key": page},
    "each": lambda page: {"data": [{"node": r} for r in page]},
    "groups": lambda page: {"groups": _grouped(page)},
    "by name": lambda page: {"data": {f"k{n}": r for n, r in enumerate(page)}},
    "null": lambda page: {"data": page or None},
}
SELECTORS: dict[str, list[str | None]] = {
    "data": ["data", "data", "$.data", "data[*]", "$['data']"],
    "items": ["items", None],
    "deep": ["a.b", "$.a.b[*]", "a.b", "$..b"],
    "root": ["$", None, "$[*]"],
    "odd": ["['odd key']", "'odd key'", '$["odd key"]'],
    "dashed": ["odd-key", "['odd-key']"],
    "each": ["data[*].node", "$.data[*].node"],
    "groups": ["groups[*].subs[*]", "groups[*].subs", "$.groups[*]"],
    "by name": ["data.*", "$.data.*"],
    "null": ["data", "data[*]"],
}
