"""Detection: where records are and how an endpoint paginates, told from its first answer.

What is found is kept for all of a stream, so that even an answer that is its own last page must
show the kind: a null link or a total is as good a sign as one that leads on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TypeAlias
from urllib.parse import parse_qsl, urlsplit

from penstock.errors import BodyError
from penstock.plan.expr import Const, Expr, JsonValue, Ref, Scope
from penstock.plan.page import link_header
from penstock.plan.pagination import (
    Counter,
    Decided,
    NextLink,
    NextToken,
    SinglePage,
    Stop,
    looks_like_link,
)
from penstock.plan.records import Keys
from penstock.plan.request import Slot

_DEPTH = 3
_Path: TypeAlias = "tuple[str, ...]"
_Found: TypeAlias = "tuple[_Path, JsonValue]"
_List: TypeAlias = "tuple[_Path, list[JsonValue]]"

# Names are compared in lower case without anything but letters and digits.
_RECORD_NAMES = {
    "data", "items", "results", "entries", "records", "rows", "entities", "payload", "content",
    "objects", "values", "value", "list", "hits", "docs", "elements",
}  # fmt: skip
_ASIDE = {
    "errors", "error", "warnings", "meta", "metadata", "pagination", "paging", "extras", "headers",
    "included", "facets", "aggregations", "debug",
}  # fmt: skip
_NEXT_LINKS = {
    "next", "nextlink", "nexturl", "nextpage", "nextpageurl", "nextpagelink", "nexthref",
    "nexturi", "odatanextlink", "nextrecordsurl", "nextpageuri",
}  # fmt: skip
_HREFS = {"href", "url", "uri", "link"}
_TOKENS = {
    "nextcursor": "cursor", "cursor": "cursor", "nextpagecursor": "cursor", "next": "cursor",
    "nextpage": "page", "nextpagenumber": "page", "endcursor": "after", "after": "after",
    "nextoffset": "offset",
}  # fmt: skip
_NEXT_SAME = {
    "continuationtoken", "continuation", "nexttoken", "pagetoken", "scrollid", "marker",
    "nextmarker", "bookmark",
}  # fmt: skip
_PAGE_TOTALS = {"totalpages", "pages", "pagecount", "lastpage", "numpages", "pagestotal"}
_TOTALS = {
    "total", "totalcount", "totalresults", "totalitems", "totalrecords", "totalelements",
    "totalsize", "count", "recordcount", "totalhits",
}  # fmt: skip
_PAGES = {"page", "currentpage", "pagenumber", "number", "pageno", "pageindex", "curpage"}
_OFFSETS = {"offset", "skip", "start", "startat", "startindex", "from", "currentoffset"}
_LIMITS = {"limit", "perpage", "pagesize", "maxresults", "size", "top", "take", "itemsperpage"}
_MORE = {
    "hasmore",
    "hasnext",
    "hasnextpage",
    "more",
    "moreavailable",
    "hasmoreitems",
    "hasmorepages",
}


class _Answer:
    """The first answer: its keys by name, and the query it was asked with."""

    def __init__(self, url: str, body: JsonValue) -> None:
        self.query = {_plain(k): (k, v) for k, v in parse_qsl(urlsplit(url).query)}
        self.records = detect_records(body)
        self.count = _count(body, self.records)
        self.found = list(_scalars(body)) if isinstance(body, dict) else []

    def first(self, names: set[str]) -> _Found | None:
        """The first value under one of these names."""
        return next(((p, v) for p, v in self.found if _plain(p[-1]) in names), None)

    def whole(self, names: set[str]) -> _Found | None:
        """The first whole number under one of these names."""
        numbers = ((p, v) for p, v in self.found if _plain(p[-1]) in names)
        return next(((p, v) for p, v in numbers if _int(v) is not None), None)

    def asked(self, names: set[str]) -> tuple[str, int] | None:
        """The query param under one of these names, if it holds a whole number."""
        for name, (written, value) in self.query.items():
            number = _int(value)
            if name in names and number is not None:
                return written, number
        return None


def detect_pagination(url: str, headers: Mapping[str, str], body: JsonValue) -> tuple[Decided, str]:
    """How the endpoint that gave this answer to `url` paginates, and why that is thought.

    Raises:
        BodyError: the answer says that there is more, and nothing in it says how to ask for it.
    """
    if "next" in link_header(headers.get("link", "")):
        return NextLink(link=_page("links", "next")), "a Link header with rel=next"
    answer = _Answer(url, body)
    for rule in (_linked, _by_page_total, _by_token, _by_offset, _by_page, _by_full_page, _by_more):
        found = rule(answer)
        if found is not None:
            return found
    total = answer.whole(_TOTALS)
    if total is not None and (_int(total[1]) or 0) > answer.count > 0:
        return SinglePage(), f"{_dots(total[0])} claims {total[1]}, of which {answer.count} came"
    return SinglePage(), "nothing in the answer speaks of further pages"


def _linked(answer: _Answer) -> tuple[Decided, str] | None:
    """A link to the next page, or a null in its place."""
    for path, value in answer.found:
        names = [_plain(name) for name in path]
        named = names[-1] in _NEXT_LINKS
        inside = len(names) > 1 and names[-1] in _HREFS and names[-2] in _NEXT_LINKS
        leads = isinstance(value, str) and looks_like_link(value)
        if (named or inside) and (leads or (value is None and _only_a_link(names, answer))):
            return NextLink(link=_body(path)), f"the link at {_dots(path)}"
    return None


def _only_a_link(names: list[str], answer: _Answer) -> bool:
    """Whether a null under this name stands for a missing link rather than a missing token."""
    if names[-1] not in {"next", "nextpage"}:
        return True
    around = {_plain(path[-1]) for path, _ in answer.found}
    return bool(around & {"previous", "prev"}) or (len(names) > 1 and names[-2] == "links")


def _by_page_total(answer: _Answer) -> tuple[Decided, str] | None:
    """A count of pages; the first page is the one that the answer says it is, else 1."""
    total = answer.whole(_PAGE_TOTALS)
    if total is None:
        return None
    here, asked = answer.whole(_PAGES), answer.asked(_PAGES)
    first = _int(here[1]) if here is not None else asked[1] if asked else 1
    into = asked[0] if asked else "page"
    said = "" if here or asked else "; the first page is taken to be 1"
    stop = Stop(total=_body(total[0]), total_unit="pages")
    return _counter("page", into, first, stop), f"the count of pages at {_dots(total[0])}{said}"


def _by_token(answer: _Answer) -> tuple[Decided, str] | None:
    """A token for the next page, or a null in its place."""
    more = answer.first(_MORE)
    for path, value in answer.found:
        param = _token_param(path[-1], answer)
        fits = value is None or (isinstance(value, (str, int)) and not isinstance(value, bool))
        if param is not None and fits:
            stop = Stop(empty=False, more=_body(more[0]) if more else None)
            slot = Slot(place="query", path=(param,))
            return (
                NextToken(token=_body(path), into=slot, stop=stop),
                f"the token at {_dots(path)}, sent as {param}",
            )
    return None


def _token_param(name: str, answer: _Answer) -> str | None:
    """The query param that a token under this name goes to."""
    plain = _plain(name)
    if plain == "nextpagetoken":
        return "page_token" if "_" in name else "pageToken"
    param = name if plain in _NEXT_SAME else _TOKENS.get(plain)
    if param is None:
        return None
    asked = answer.query.get(_plain(param))
    return asked[0] if asked else param


def _by_offset(answer: _Answer) -> tuple[Decided, str] | None:
    """A total, or a sign for more, beside an offset or a limit."""
    total, more = answer.whole(_TOTALS), answer.first(_MORE)
    here, asked = answer.whole(_OFFSETS), answer.asked(_OFFSETS)
    limited = answer.whole(_LIMITS) is not None and answer.whole(_PAGES) is None
    if (total is None and more is None) or not (here or asked or limited):
        return None
    into = asked[0] if asked else here[0][-1] if here else "offset"
    first = _int(here[1]) if here is not None else asked[1] if asked else 0
    counted = total is not None and _plain(total[0][-1]) != "count"
    stop = Stop(
        total=_body(total[0]) if total is not None and counted else None,
        more=_body(more[0]) if more and not counted else None,
    )
    seen = total if counted else more
    where = _dots(seen[0]) if seen else into
    return _counter("offset", into, first, stop), f"an offset, with {where}"


def _by_page(answer: _Answer) -> tuple[Decided, str] | None:
    """The number of the page, beside a total of records or a sign for more."""
    total, more = answer.whole(_TOTALS - {"count"}), answer.first(_MORE)
    here, asked = answer.whole(_PAGES), answer.asked(_PAGES)
    if not (here or asked) or not (total or more):
        return None
    into = asked[0] if asked else here[0][-1] if here else "page"
    first = _int(here[1]) if here is not None else asked[1] if asked else 1
    stop = Stop(
        total=_body(total[0]) if total and not more else None,
        more=_body(more[0]) if more else None,
    )
    seen = more or total
    return _counter(
        "page", into, first, stop
    ), f"a page number, with {_dots(seen[0]) if seen else into}"


def _by_full_page(answer: _Answer) -> tuple[Decided, str] | None:
    """A page as full as it was asked for, at a place that the request names."""
    limit = answer.asked(_LIMITS)
    if limit is None or not 0 < limit[1] <= answer.count:
        return None
    for unit, names in (("offset", _OFFSETS), ("page", _PAGES)):
        asked = answer.asked(names)
        if asked is not None:
            reason = f"a full page of {limit[1]}, asked for by {asked[0]}"
            return _counter(unit, asked[0], asked[1], Stop()), reason
    return None


def _by_more(answer: _Answer) -> tuple[Decided, str] | None:
    """A sign for more and nothing else: there is no telling how to ask."""
    more = answer.first(_MORE)
    if more is not None and more[1] in (True, "true", "True"):
        raise BodyError(
            f"{_dots(more[0])} says that there are more pages, and not how to ask for them",
            code="undetected-pages",
            hint="give the endpoint a paginator",
        )
    return None


def _counter(unit: str, into: str, first: int | None, stop: Stop) -> Counter:
    slot = Slot(place="query", path=(into,))
    start = Const(value=first or 0)
    if unit == "page":
        return Counter(unit="page", into=slot, start=start, send_first=False, stop=stop)
    return Counter(unit="offset", into=slot, start=start, send_first=False, stop=stop)


def _page(*path: str) -> Ref:
    return Ref(at=Scope.PAGE, path=path, optional=True)


def _body(path: _Path) -> Expr:
    return _page("response", *path)


def _dots(path: _Path) -> str:
    return ".".join(path)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _int(value: JsonValue) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return None
    return int(value) if isinstance(value, int) or value.isdecimal() else None


def _scalars(body: dict[str, JsonValue], path: _Path = ()) -> Iterator[_Found]:
    """The plain values of an answer, those of its envelope before those further in."""
    for key, value in body.items():
        if not isinstance(value, (dict, list)):
            yield (*path, key), value
    for key, value in body.items():
        if isinstance(value, dict) and len(path) < _DEPTH - 1:
            yield from _scalars(value, (*path, key))


# Records.


def detect_records(body: JsonValue) -> Keys:
    """Where the records of an answer are; the whole answer where it holds no list of any.

    A list of objects wins over others, one with a usual name over one without, one further out over
    one further in. Lists of errors, links and the like are never records.
    """
    if not isinstance(body, dict):
        return Keys()
    found = list(_lists(body))
    if not found:
        return Keys()
    path, items = min(found, key=_rank)
    if items and not any(isinstance(item, dict) for item in items) and "id" in body:
        return Keys()  # a list of plain values inside one thing
    return Keys(path=path)


def _rank(found: _List) -> tuple[bool, bool, int]:
    path, items = found
    objects = any(isinstance(item, dict) for item in items)
    return not objects, _plain(path[-1]) not in _RECORD_NAMES, len(path)


def _lists(
    body: Mapping[str, JsonValue], path: _Path = ()
) -> Iterator[tuple[_Path, list[JsonValue]]]:
    """The lists of an answer that can be records, in its order."""
    for key, value in body.items():
        if _plain(key) in _ASIDE:
            continue
        if isinstance(value, list):
            if not _all_links(value):
                yield (*path, key), value
        elif isinstance(value, dict) and len(path) < _DEPTH - 1:
            yield from _lists(value, (*path, key))


def _all_links(items: list[JsonValue]) -> bool:
    """Whether a list holds links to other pages or things, as JSON hypermedia writes them."""
    return bool(items) and all(isinstance(i, dict) and {"rel", "href"} <= set(i) for i in items)


def _count(body: JsonValue, records: Keys) -> int:
    value: JsonValue = body
    for key in records.path:
        value = value.get(key) if isinstance(value, dict) else None
    return len(value) if isinstance(value, list) else 0
