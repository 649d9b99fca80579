"""Cases of pagination: every kind, wherever its values stand and whatever ends it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from tests.parity.dlt.data import answer, asked, config, posts, put, resource
from tests.parity.dlt.harness import Case, Outcome
from tests.parity.dlt.server import Api, Ask, Reply

WRITES = ("append", "replace", "merge")
SIZE = 10


def _write(nth: int) -> dict[str, Any]:
    write = WRITES[nth % 3]
    return {"write_disposition": write, **({"primary_key": "id"} if write == "merge" else {})}


def _case(name: str, nth: int, paginator: dict[str, Any], api: Api, **more: Any) -> Case:
    endpoint = {"paginator": paginator, "data_selector": "data"}
    if any(key.endswith("body_path") for key in paginator):
        endpoint |= {"method": "POST", "json": {"find": {"kind": "post"}}}
    endpoint |= more.pop("endpoint", {})
    return Case(
        name=name,
        config=lambda base: config(base, resource(endpoint=endpoint, **_write(nth))),
        api=api,
        runs=2 if nth % 3 else 1,
        **more,
    )


# Offsets and page numbers.

TOTALS: dict[str, tuple[str | None, Any]] = {
    "no total": (None, None),
    "total": ("total", int),
    "nested total": ("meta.paging.count", int),
    "total as text": ("total", str),
}
MORES: dict[str, tuple[str | None, Any]] = {
    "": (None, None),
    "has_more": ("has_more", bool),
    "has_more as text": ("meta.more", lambda more: str(bool(more)).lower()),
    "has_more as a word": ("more", lambda more: "yes" if more else "N"),
}


def _claims(total: str, more: str, claimed: int, *, last: bool) -> dict[str, Any]:
    beside: dict[str, Any] = {}
    total_path, as_total = TOTALS[total]
    more_path, as_more = MORES[more]
    if total_path:
        beside[total_path] = as_total(claimed)
    if more_path:
        beside[more_path] = as_more(not last)
    return beside


def _stops(total: str, more: str) -> dict[str, Any]:
    more_path = MORES[more][0]
    return {
        "total_path": TOTALS[total][0],
        **({"has_more_path": more_path} if more_path else {}),
    }


def _offset_api(place: str, total: str, more: str) -> Api:
    body = place == "body"

    def api(ask: Ask) -> Reply:
        held = posts(ask.round)
        start = int(asked(ask, "offset", "paging.from" if body else "", 0))
        size = int(asked(ask, "limit", "paging.size" if body else "", 7))
        page = held[start : start + size]
        beside = _claims(total, more, len(held), last=start + size >= len(held))
        return answer(page, **beside)

    return api


def _offsets() -> Iterator[Case]:
    for nth, (place, total, more, maximum) in enumerate(
        product(("query", "body"), TOTALS, MORES, (None, 12))
    ):
        into = {"offset_body_path": "paging.from", "limit_body_path": "paging.size"}
        paginator = {"type": "offset", "limit": SIZE, **_stops(total, more)}
        paginator |= into if place == "body" else {}
        paginator |= {"maximum_offset": maximum} if maximum else {}
        words = ["offset", place, total, more, f"maximum {maximum}" if maximum else ""]
        name = ", ".join(w for w in words if w)
        yield _case(name, nth, paginator, _offset_api(place, total, more), law=True)


def _page_api(place: str, total: str, more: str, first: int) -> Api:
    body = place == "body"

    def api(ask: Ask) -> Reply:
        held = posts(ask.round)
        number = int(asked(ask, "page", "paging.page" if body else "", first)) - first
        page = held[number * SIZE : (number + 1) * SIZE]
        pages = -(-len(held) // SIZE)
        return answer(page, **_claims(total, more, pages, last=number + 1 >= pages))

    return api


def _pages() -> Iterator[Case]:
    for nth, (place, total, more, maximum, first) in enumerate(
        product(("query", "body"), TOTALS, MORES, (None, 2), (0, 1))
    ):
        paginator = {"type": "page_number", "base_page": first, **_stops(total, more)}
        paginator |= {"page_body_path": "paging.page"} if place == "body" else {}
        paginator |= {"maximum_page": maximum} if maximum else {}
        words = ["page", place, f"from {first}", total, more]
        words += [f"maximum {maximum}"] if maximum else []
        name = ", ".join(w for w in words if w)
        yield _case(name, nth, paginator, _page_api(place, total, more, first), law=True)


def _counted_odd() -> Iterator[Case]:
    def skip_take(ask: Ask) -> Reply:
        start, size = ask.number("skip"), ask.number("take", 3)
        held = posts(ask.round)
        return answer(held[start : start + size], total=len(held))

    named = {"offset_param": "skip", "limit_param": "take"}
    yield _case("offset with its own names", 0, {"type": "offset", "limit": 4, **named}, skip_take)
    yield _case("offset that begins at 5", 1,
                {"type": "offset", "limit": 6, "offset": 5, **named}, skip_take)  # fmt: skip
    yield _case("offset not ended by an empty page", 2,
                {"type": "offset", "limit": 5, "stop_after_empty_page": False, **named},
                skip_take)  # fmt: skip
    yield _case("offset over a param of its own", 0,
                {"type": "offset", "limit": 9, **named}, skip_take,
                endpoint={"params": {"take": 100, "sort": "id"}})  # fmt: skip
    numbered = {"type": "page_number", "page_param": "p", "base_page": 1, "total_path": "total"}

    def pages_of_four(ask: Ask) -> Reply:
        held, number = posts(ask.round), ask.number("p", 1) - 1
        return answer(held[number * 4 : number * 4 + 4], total=-(-len(held) // 4))

    yield _case("page with its own name", 1, numbered, pages_of_four)
    yield _case("page that begins at 3", 2, {**numbered, "page": 3}, pages_of_four)
    yield _case("page over an explicit param", 0, numbered, pages_of_four,
                endpoint={"params": {"p": 100, "empty": ""}})  # fmt: skip
    yield _case("page ended by maximum and not by an empty page", 1,
                {**numbered, "total_path": None, "maximum_page": 4, "stop_after_empty_page": False},
                pages_of_four)  # fmt: skip
    yield _case("page with empty paths of a total and of more", 0,
                {"type": "page_number", "total_path": "", "has_more_path": ""},
                _page_api("query", "no total", "", 0), law=True)  # fmt: skip
    yield from _empty_first()
    yield from _gaps()


# Of 35 things, five a page, these are shown: pages are short or empty where more follow.
SHOWN = (*range(12), 13, *range(25, 30), 31, 33)
ALL, FEW = 35, 5


def _sieved(ask: Ask) -> Reply:
    start = ask.number("offset") or ask.number("page") * FEW
    held = [p for p in posts(1, ALL) if p["id"] - 1 in SHOWN and start < p["id"] <= start + FEW]
    return answer(held, more=start + FEW < ALL, total=ALL, pages=ALL // FEW)


def _same_rows(theirs: list[Outcome], ours: list[Outcome]) -> None:
    """All rows, once: an offset moves by what came, and what comes again is left out."""
    for their, our in zip(theirs, ours, strict=True):
        assert our.rows("posts", "id") == their.rows("posts", "id")
        assert len(set(our.rows("posts", "id"))) == len(SHOWN)
        assert not our.error


def _gaps() -> Iterator[Case]:
    """Pages that are short or empty where more follow, as the document says."""
    row = "`offset` where a page holds fewer records than asked"
    ends: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "more": ({"has_more_path": "more"}, {"has_more_path": "more"}),
        "a maximum": ({"maximum_page": 7}, {"maximum_offset": 35}),
        "a total": ({"total_path": "pages"}, {"total_path": "total"}),
    }
    gaps = {"stop_after_empty_page": False}
    for name, (paged, moved) in ends.items():
        yield _case(f"gaps in pages, ended by {name}", 0,
                    {"type": "page_number", "total_path": None, **gaps, **paged},
                    _sieved, law=True)  # fmt: skip
        yield _case(f"gaps in offsets, ended by {name}", 0,
                    {"type": "offset", "limit": FEW, "total_path": None, **gaps, **moved},
                    _sieved, differs=(row,), check=_same_rows)  # fmt: skip
    yield _case("short pages, ended by more or an empty one", 0,
                {"type": "page_number", "total_path": None, "has_more_path": "more"},
                _sieved, law=True)  # fmt: skip
    row = "an empty page that leads to a next one"
    yield _case("gaps in pages of a cursor", 0, {"type": "cursor", "cursor_path": "next"},
                _sieved_tokens, differs=(row,), check=_asked_again)  # fmt: skip
    yield _case("gaps in pages, ended by a total that is not named", 0,
                {"type": "page_number", **gaps}, _unnamed, law=True)  # fmt: skip


def _asked_again(theirs: list[Outcome], ours: list[Outcome]) -> None:
    """The first empty page twice, and what came of it the same."""
    _same_rows(theirs, ours)
    targets = [one.targets() for one in (*theirs, *ours)]
    assert [len(found) for found in targets] == [7, 8]
    assert len(set(targets[1])) == len(set(targets[0]))
    assert "empty-page" in ours[0].warnings()


def _sieved_tokens(ask: Ask) -> Reply:
    start = ask.number("cursor")
    held = [p for p in posts(1, ALL) if p["id"] - 1 in SHOWN and start < p["id"] <= start + FEW]
    return answer(held, next=start + FEW if start + FEW < ALL else None)


def _unnamed(ask: Ask) -> Reply:
    reply = _sieved(ask)
    put(reply.body, "total", 7)
    return reply


def _empty_first() -> Iterator[Case]:
    """APIs without any record."""
    nothing: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "offset": ({"type": "offset", "limit": 5, "total_path": None}, {}),
        "offset with total": ({"type": "offset", "limit": 5}, {"total": 0}),
        "page": ({"type": "page_number", "total_path": None}, {}),
        "page with total": ({"type": "page_number"}, {"total": 0}),
        "cursor": ({"type": "cursor", "cursor_path": "next"}, {"next": None}),
        "json_link": ({"type": "json_link"}, {"next": None}),
    }
    for nth, (kind, (paginator, beside)) in enumerate(nothing.items()):
        yield _case(f"no record, {kind}", nth, paginator,
                    lambda _ask, b=beside: answer([], **b), law=True)  # fmt: skip


# Cursors.

ENDS: dict[str, Any] = {"null": None, "empty text": "", "absent": ...}


def _cursor_api(place: str, more: str, end: str) -> Api:
    def api(ask: Ask) -> Reply:
        held = posts(ask.round)
        token = asked(ask, "cursor", "paging.after" if place == "body" else "", "t0")
        start = int(str(token).removeprefix("t"))
        last = start + SIZE >= len(held)
        reply = answer(held[start : start + SIZE], **_claims("no total", more, 0, last=last))
        following = ENDS[end] if last else f"t{start + SIZE}"
        if following is not ...:
            put(reply.body, "meta.next", following)
        return reply

    return api


def _cursors() -> Iterator[Case]:
    for nth, (place, more, end, empty) in enumerate(
        product(("query", "body"), MORES, ENDS, (False, True))
    ):
        paginator: dict[str, Any] = {"type": "cursor", "cursor_path": "meta.next"}
        paginator |= {"cursor_body_path": "paging.after"} if place == "body" else {}
        more_path = MORES[more][0]
        paginator |= {"has_more_path": more_path} if more_path else {}
        paginator |= {"stop_after_empty_page": True} if empty else {}
        words = ["cursor", place, more, f"end {end}", "stops when empty" if empty else ""]
        name = ", ".join(w for w in words if w)
        yield _case(name, nth, paginator, _cursor_api(place, more, end))


def _cursor_odd() -> Iterator[Case]:
    def numbers(ask: Ask) -> Reply:
        start = ask.number("since")
        held = posts(ask.round)[start : start + 9]
        return answer(held, **{"cursors.next": start + 9 if len(held) == 9 else 0})

    yield _case("cursor that is a number, ended by 0", 0,
                {"type": "cursor", "cursor_param": "since"}, numbers)  # fmt: skip

    def ends_empty(ask: Ask) -> Reply:
        start = ask.number("cursor")
        held = posts(ask.round)[start : start + 9]
        return answer(held, next=start + 9)

    yield _case("cursor that never ends but for an empty page", 1,
                {"type": "cursor", "cursor_path": "next", "stop_after_empty_page": True},
                ends_empty)  # fmt: skip

    def last_is_null(ask: Ask) -> Reply:
        start = ask.number("cursor")
        held: Any = posts(ask.round)[start : start + 14] or None
        return Reply(body={"data": held, "next": start + 14 if held else None})

    yield _case("cursor whose last page is null", 2,
                {"type": "cursor", "cursor_path": "next"}, last_is_null)  # fmt: skip

    def last_of_page(ask: Ask) -> Reply:
        start = ask.number("after")
        return answer([p for p in posts(ask.round) if p["id"] > start][:8])

    yield _case("cursor that is the last record's id", 0,
                {"type": "cursor", "cursor_path": "data[-1].id", "cursor_param": "after"},
                last_of_page)  # fmt: skip

    def search_after(ask: Ask) -> Reply:
        start = int(asked(ask, "", "search_after", [0])[0])
        held = [{**p, "sort": [p["id"], "x"]} for p in posts(ask.round)[start : start + 8]]
        return answer(held)

    yield _case("cursor that is a list in the body", 1,
                {"type": "cursor", "cursor_path": "data[-1].sort",
                 "cursor_body_path": "search_after"}, search_after)  # fmt: skip

    def by_header(ask: Ask) -> Reply:
        start = ask.number("cursor")
        held = posts(ask.round)[start : start + 8]
        headers = {"X-Next": str(start + 8)} if len(held) == 8 else {}
        return Reply(body={"data": held}, headers=headers)

    yield _case("header cursor", 1, {"type": "header_cursor", "cursor_key": "X-Next"}, by_header)


# Links.


def _link(ask: Ask, start: int, form: str) -> str:
    query = f"from={start}&q=a%20b&q=c"
    return {
        "absolute": f"{ask.base}/posts?{query}",
        "from the root": f"/posts?{query}",
        "from the page": f"posts?{query}",
        "only a query": f"?{query}",
    }[form]


def _link_api(form: str, end: str, *, header: bool = False) -> Api:
    def api(ask: Ask) -> Reply:
        start = ask.number("from")
        held = posts(ask.round)[start : start + SIZE]
        more = start + SIZE < len(posts(ask.round))
        link = _link(ask, start + SIZE, form) if more else ENDS[end]
        if header:
            said = f'<{link}>; rel="next", <{ask.base}/posts>; rel="first"' if more else ""
            return Reply(body={"data": held}, headers={"Link": said} if said else {})
        body: dict[str, Any] = {"data": held, "links": {}}
        if link is not ...:
            body["links"]["next"] = link
        return Reply(body=body)

    return api


def _links() -> Iterator[Case]:
    forms = ("absolute", "from the root", "from the page", "only a query")
    ends = ("null", "absent")
    for nth, (form, end) in enumerate(product(forms, ends)):
        paginator = {"type": "json_link", "next_url_path": "links.next"}
        yield _case(f"link, {form}, end {end}", nth, paginator, _link_api(form, end),
                    endpoint={"params": {"limit": 5, "sort": "x y"}})  # fmt: skip
    in_header = _link_api("absolute", "null", header=True)
    yield _case("link in a header", 0, {"type": "header_link"}, in_header,
                endpoint={"params": {"limit": 5}})  # fmt: skip

    def odata(ask: Ask) -> Reply:
        start = ask.number("$skip")
        held = posts(ask.round)[start : start + 7]
        more = {"@odata.nextLink": f"{ask.base}/posts?$skip={start + 7}"} if len(held) == 7 else {}
        return Reply(body={"value": held, **more})

    for nth, path in enumerate(
        ("['@odata.nextLink']", "$['@odata.nextLink']", '"@odata.nextLink"')
    ):
        yield _case(f"link at {path}", nth, {"type": "json_link", "next_url_path": path}, odata,
                    endpoint={"data_selector": "value"})  # fmt: skip

    def posted(ask: Ask) -> Reply:
        start = ask.number("from")
        held = posts(ask.round)[start : start + SIZE] if ask.json == {"a": 1} else []
        more = start + SIZE < 25
        return Reply(body={"data": held, "next": f"/posts?from={start + SIZE}" if more else None})

    yield _case("link keeps the body", 1, {"type": "json_link"}, posted,
                endpoint={"method": "POST", "json": {"a": 1}, "params": {"x": 1}})  # fmt: skip


def _found(ask: Ask) -> Reply:
    """Pages that say in every way what follows, each among other things."""
    start = ask.number("offset") or 10 * ask.number("page") or ask.number("after")
    held = posts(ask.round, 22)[start : start + 10]
    links = [{"rel": "self", "href": ask.target}]
    if start + 10 < len(posts(ask.round, 22)):
        links.append({"rel": "next", "href": f"{ask.base}/posts?after={start + 10}"})
    counts = [{"of": "pages", "n": 3}, {"of": "posts", "n": len(posts(ask.round, 22))}]
    ends = [{"k": "more", "v": len(links) > 1}]
    return answer(held, links=links, counts=counts, ends=ends)


def _jsonpaths() -> Iterator[Case]:
    """Paths of paginators that say more than keys."""
    more = "$.ends[?(@.k=='more')].v"
    total = "$.counts[?(@.of=='posts')].n"
    ways: dict[str, dict[str, Any]] = {
        "a link": {"type": "json_link", "next_url_path": "$.links[?(@.rel=='next')].href"},
        "a cursor": {"type": "cursor", "cursor_path": "$.data[-1:].id", "cursor_param": "after",
                     "has_more_path": more},
        "a total": {"type": "offset", "limit": 10, "total_path": total},
        "has_more": {"type": "offset", "limit": 10, "total_path": None, "has_more_path": more},
        "a total of pages": {"type": "page_number", "total_path": "$.counts[?(@.of=='pages')].n"},
    }  # fmt: skip
    for nth, (name, paginator) in enumerate(ways.items()):
        yield _case(f"JSONPath of {name}", nth, paginator, _found)
    lacking = {"type": "offset", "limit": 10, "total_path": "$.counts[?(@.of=='none')].n"}
    yield Case(
        name="JSONPath of a total that is not there", runs=1, api=_found, refused="no value for",
        config=lambda base: config(base, resource("posts", {
            "data_selector": "data", "paginator": lacking})),
    )  # fmt: skip


CASES = [*_offsets(), *_pages(), *_counted_odd(), *_cursors(), *_cursor_odd(), *_links(),
         *_jsonpaths()]  # fmt: skip
