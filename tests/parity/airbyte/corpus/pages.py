"""How the pages of an endpoint follow each other: a paginator goes on, and comes to an end."""

from __future__ import annotations

import itertools
import re
from typing import Any

from jinja2 import TemplateError
from tests.parity.airbyte.corpus.reading import Path, accesses, inside, rendered, settled
from tests.parity.airbyte.corpus.records import put

URL = "https://next.test/page"  # what stands for the URL of a request in the answers' tokens
FEW = 3
MOST_FULL = 200  # records of a page that is filled to have another one behind it
_TOKEN = re.compile(r"nxt(\d+)")
_ENDS = re.compile(r"(^|[^a-z])(last|done|complete|end|is_?last)", re.IGNORECASE)
_GOES = re.compile(r"more|has|next_?exists", re.IGNORECASE)
_COUNTS = re.compile(r"start|offset|skip|page$|number|total|count|size|limit|max", re.IGNORECASE)
_LAST = ("", None, False, 0, True, [], "false")
_TRIES = 6000


def pager(
    retriever: dict[str, Any], values: dict[str, Any], *, parent: bool, turn: int
) -> dict[str, Any]:
    """What is to be known of a paginator."""
    found = retriever.get("paginator")
    if not isinstance(found, dict) or found.get("type") != "DefaultPaginator":
        return {"kind": "none", "sizes": [FEW]}
    strategy = found.get("pagination_strategy") or {}
    option = found.get("page_token_option") or {}
    names = _names(retriever, option, values)
    size = settled(strategy.get("page_size"), values)
    size = int(size) if isinstance(size, (int, str)) and str(size).isdigit() else None
    match strategy.get("type"):
        case "PageIncrement":
            start = settled(strategy.get("start_from_page"), values) or 0
            return {
                "kind": "count",
                "names": names,
                "start": int(start),
                "sizes": _sizes(size, names, parent=parent),
            }
        case "OffsetIncrement":
            return {"kind": "offset", "names": names, "sizes": _sizes(size, names, parent=parent)}
        case "CursorPagination":
            path = option.get("type") == "RequestPath"
            made = _cursor(retriever, strategy, values, names, size=size, url=path, turn=turn)
            return _shortened(made) if parent else made
        case _:
            return {"kind": "none", "sizes": [FEW]}


def _sizes(size: int | None, names: list[str], *, parent: bool) -> list[int]:
    if not names:  # no request tells which page it is for
        return [0 if size is None else min(FEW, size - 1)]
    if size is None:
        return [FEW, 2, 0]
    if size > MOST_FULL or (parent and size > FEW):
        return [min(FEW, size - 1) if size > 1 else 0]
    return [size, size, 1 if size > 1 else 0]


def _shortened(made: dict[str, Any]) -> dict[str, Any]:
    """Two pages in place of three, so that few partitions come of them."""
    if len(made["sizes"]) < 3 or made["sizes"][0] > FEW:
        return made
    return {**made, "sizes": [2, 1], "pages": [made["pages"][0], made["pages"][-1]]}


def _names(retriever: dict[str, Any], option: dict[str, Any], values: dict[str, Any]) -> list[str]:
    """The names under which a token may come back."""
    found = [str(settled(option.get("field_name"), values))]
    path = option.get("field_path")
    found += [str(path[-1])] if path else []
    requester = retriever.get("requester") or {}
    for part in ("request_parameters", "request_headers", "request_body_json", "request_body_data"):
        held = requester.get(part)
        found += _told(held) if isinstance(held, dict) else []
    return [name for name in found if name != "None"]


def _told(held: dict[str, Any]) -> list[str]:
    found = []
    for name, value in held.items():
        if isinstance(value, str) and "next_page_token" in value:
            found.append(str(name))
        elif isinstance(value, dict):
            found += _told(value)
    return found


def _cursor(
    retriever: dict[str, Any],
    strategy: dict[str, Any],
    values: dict[str, Any],
    names: list[str],
    *,
    size: int | None,
    url: bool,
    turn: int,
) -> dict[str, Any]:
    value, stop = str(strategy.get("cursor_value") or ""), strategy.get("stop_condition")
    read = accesses(value) | (accesses(stop) if isinstance(stop, str) else frozenset())
    read = frozenset(c for c in read if c[0] in {"response", "headers", "last_record"})
    leaves = sorted(c for c in read if not inside(c, read))
    search = _Search(value, stop, values, leaves, names, url=url, turn=turn)
    counts = [FEW, *([size] if size and size <= 1000 else [])]
    counts += [int(n) for n in re.findall(r"\b\d{1,3}\b", str(stop)) if int(n) > FEW]
    for count in counts:
        pages = [search.going(index, count) for index in (0, 1)]
        if None not in pages:
            break
    else:
        return {"kind": "cursor", "names": names, "tokens": {}, "sizes": [FEW], "pages": [{}]}
    last = search.ending(2, 1) or search.ending(2, 0) or search.ending(2, FEW)
    found = [*(p for p in pages if p), last or {"leaves": [], "count": 0}]
    tokens = {str(p["token"]): i + 1 for i, p in enumerate(found[:-1])}
    return {
        "kind": "cursor",
        "names": names,
        "tokens": tokens,
        "sizes": [p["count"] for p in found],
        "pages": [p["leaves"] for p in found],
    }


class _Search:
    """Looks for what an answer must hold, that a template may go on or end."""

    def __init__(
        self,
        value: str,
        stop: Any,
        values: dict[str, Any],
        leaves: list[tuple[str, Path]],
        names: list[str],
        *,
        url: bool,
        turn: int,
    ) -> None:
        self._value, self._stop, self._values = value, stop, values
        self._leaves, self._url, self._turn = leaves, url, turn
        self._by_name = bool(names)

    def going(self, index: int, count: int) -> dict[str, Any] | None:
        """A page behind which there is another."""
        choices = [self._going(root, path, index) for root, path in self._leaves]
        best = None
        for made in itertools.islice(itertools.product(*choices), _TRIES):
            stopped, token = self._told(made, index, count)
            if stopped or not token:
                continue
            found = {"leaves": self._spelled(made), "count": count, "token": token}
            if f"nxt{index + 1}" in str(token) and (not self._url or str(token).startswith("http")):
                return found
            if best is None and self._by_name and isinstance(token, (int, str)):
                best = found
        return best

    def ending(self, index: int, count: int) -> dict[str, Any] | None:
        """A page that is the last."""
        choices = [self._last(root, path, index) for root, path in self._leaves]
        for made in itertools.islice(itertools.product(*choices), _TRIES):
            stopped, token = self._told(made, index, count)
            if stopped is not None and (stopped or not token):
                return {"leaves": self._spelled(made), "count": count}
        return None

    def _going(self, root: str, path: Path, index: int) -> list[Any]:
        link = f"{URL}?cursor=nxt{index + 1}"
        if root == "headers" and path[0] == "link":
            return [f'<{link}>; rel="next"; results="true"; cursor="nxt{index + 1}"']
        if root == "headers" and path[0] == "Link":
            return [f'<{link}>; rel="next"']
        texts: list[Any] = [
            f"nxt{index + 1}",
            link,
            f"{link}&after=nxt{index + 1}&page={index + 2}&next=nxt{index + 1}",
        ]
        if self._url:
            texts = [link, texts[0]]
        more: list[Any] = [
            index + 1,
            index + 2,
            3,
            True,
            False,
            "true",
            {"k": "nxt"},
            [f"nxt{index + 1}"],
        ]
        if _COUNTS.search(path[-1]) and not self._url:
            return [index + 1, index + 2, 3, 100, *texts, True, False]
        if _ENDS.search(path[-1]):
            return [False, *texts, *more]
        if _GOES.search(path[-1]):
            return [True, "true", *texts, *more]
        return [*texts, *more]

    def _last(self, root: str, path: Path, index: int) -> list[Any]:
        if root == "headers" and path[0] in {"link", "Link"}:
            told = [
                f'<{URL}?cursor=nxt{index}>; rel="prev"',
                None,
                f'<{URL}?cursor=nxt{index + 1}>; rel="next"; results="false"',
            ]
        else:
            told = [*_LAST, index + 1, 3, f"nxt{index + 1}", "ABSENT"]
        turned = self._turn % len(told)
        return told[turned:] + told[:turned]

    def _spelled(self, made: tuple[Any, ...]) -> list[list[Any]]:
        return [
            [root, list(path), value]
            for (root, path), value in zip(self._leaves, made, strict=True)
            if value != "ABSENT"
        ]

    def _told(self, made: tuple[Any, ...], index: int, count: int) -> tuple[bool | None, Any]:
        """Whether it stops, and the token; None where the templates do not fit."""
        context: dict[str, Any] = {
            "response": {},
            "headers": {"link": {}},
            "last_record": {"id": 1 + index},
        }
        for root, path, value in self._spelled(made):
            if root == "headers":
                context["headers"] |= header_context(path, value)
            else:
                put(context[root], tuple(path), value)
        context |= {
            "config": self._values,
            "parameters": {},
            "last_page_size": count,
            "stream_slice": {},
        }
        try:
            stopped = bool(rendered(str(self._stop), context)) if self._stop else False
            if rendered(str(self._stop), context) in ("False", "{}", "[]"):
                stopped = False
            return stopped, None if stopped else rendered(self._value, context)
        except (
            TemplateError,
            ArithmeticError,
            ValueError,
            TypeError,
            AttributeError,
            KeyError,
            IndexError,
        ):
            return None, None


def header_context(path: list[str], value: Any) -> dict[str, Any]:
    """The headers as templates see them."""
    if value is None:
        return {}
    if path[0] not in {"link", "Link"}:
        return {path[0]: str(value)}
    url = re.search(r"<(.*?)>", value)
    parts = dict(re.findall(r'(\w+)="(.*?)"', value))
    held = {parts["rel"]: {"url": url.group(1) if url else "", **parts}}
    return {"Link": value, "link": held}


def token_index(found: str) -> int | None:
    """The page that a token of ours leads to."""
    match = _TOKEN.search(found)
    return int(match.group(1)) if match else None
