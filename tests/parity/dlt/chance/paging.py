"""Paginators by chance, each with the description of pages that an API has for it."""

from __future__ import annotations

import random
from typing import Any

from tests.parity.dlt.data import Parts

Pair = tuple[Any, Parts]
ROOTLESS = {"root", "by name"}  # bodies in which nothing stands beside the records


def paged(rng: random.Random, wrap: str, *, body: bool) -> Pair:
    """A paginator as a configuration says it (None: nothing is said), and the pages behind it."""
    beside = wrap not in ROOTLESS
    kinds = ["single", "single", "offset", "page", "header link", "header cursor"]
    kinds += ["cursor", "cursor", "link", "offset", "page"] if beside else []
    kind = rng.choice(kinds)
    if kind == "single":
        return rng.choice([("single_page", {"kind": "none"}),
                           ({"type": "single_page"}, {"kind": "none"})])  # fmt: skip
    size = rng.choice([1, 2, 3, 5, 50])
    if kind == "offset":
        return _offset(rng, size, beside=beside, body=body)
    if kind == "page":
        return _page(rng, size, beside=beside, body=body)
    if kind == "cursor":
        return _cursor(rng, size, body=body)
    return _linked(rng, kind, size)


def _counted(rng: random.Random, *, beside: bool) -> tuple[Parts, Parts]:
    """What may tell the end of counted pages, and where the API says it."""
    said: Parts = {"total_path": None}
    pages: Parts = {}
    if beside and rng.random() < 0.4:
        path = rng.choice(["total", "meta.total", "meta.paging.count"])
        said["total_path"] = pages["total"] = path
        if path == "total" and rng.random() < 0.5:
            del said["total_path"]
    if beside and rng.random() < 0.3:
        said["has_more_path"] = pages["more"] = rng.choice(["has_more", "meta.more"])
    if beside and rng.random() < 0.2:
        pages["as"] = "text"
    if len(pages) > 1 and rng.random() < 0.3:
        said["stop_after_empty_page"] = rng.random() < 0.5
    if not pages.get("total") and rng.random() < 0.06:
        pages["over"] = 404
    return said, pages


def _offset(rng: random.Random, size: int, *, beside: bool, body: bool) -> Pair:
    said, pages = _counted(rng, beside=beside)
    said |= {"type": "offset", "limit": size}
    start, limit = ["query", "offset"], ["query", "limit"]
    if body and rng.random() < 0.6:
        said |= {"offset_body_path": "paging.from", "limit_body_path": "paging.size"}
        start, limit = ["json", "paging.from"], ["json", "paging.size"]
    elif rng.random() < 0.4:
        said |= {"offset_param": "skip", "limit_param": "$top"}
        start, limit = ["query", "skip"], ["query", "$top"]
    if rng.random() < 0.15:
        said["offset"] = rng.choice([0, 1, 4])
    if rng.random() < 0.2:
        said["maximum_offset"] = rng.choice([1, 3, 6, 20])
    return said, {"kind": "offset", "size": 7, "start": start, "limit": limit, **pages}


def _page(rng: random.Random, size: int, *, beside: bool, body: bool) -> Pair:
    said, pages = _counted(rng, beside=beside)
    base = rng.choice([0, 1, 1])
    said |= {"type": "page_number"}
    if base or rng.random() < 0.3:
        said["base_page"] = base
    start = ["query", "page"]
    if body and rng.random() < 0.6:
        said["page_body_path"] = "find.page"
        start = ["json", "find.page"]
    elif rng.random() < 0.4:
        said["page_param"] = "p[no]"
        start = ["query", "p[no]"]
    if rng.random() < 0.12:
        said["page"] = base + rng.choice([0, 1])
    if rng.random() < 0.2:
        said["maximum_page"] = base + rng.choice([1, 2, 4])
    return said, {"kind": "page", "size": size, "start": start, "base": base, **pages}


def _cursor(rng: random.Random, size: int, *, body: bool) -> Pair:
    said: Parts = {"type": "cursor"}
    at = rng.choice(["cursors.next", "next", "meta.next_token", "paging.after"])
    if at != "cursors.next" or rng.random() < 0.5:
        said["cursor_path"] = at
    pages: Parts = {"kind": "cursor", "size": size, "at": at, "start": ["query", "cursor"],
                    "end": rng.choice(["null", "empty", "absent"])}  # fmt: skip
    if body and rng.random() < 0.6:
        said["cursor_body_path"] = "find.after"
        pages["start"] = ["json", "find.after"]
    elif rng.random() < 0.5:
        said["cursor_param"] = "after"
        pages["start"] = ["query", "after"]
    if rng.random() < 0.25:
        said["has_more_path"] = pages["more"] = rng.choice(["has_more", "meta.more"])
    if rng.random() < 0.2:
        said["stop_after_empty_page"] = rng.random() < 0.7
    return said, pages


def _linked(rng: random.Random, kind: str, size: int) -> Pair:
    form = rng.choice(["absolute", "root", "query"])
    pages: Parts = {"kind": kind, "size": size, "start": ["query", "from"], "form": form}
    if kind == "header cursor":
        at = rng.choice(["next", "X-Next"])
        said: Parts = {"type": "header_cursor", "cursor_key": at, "cursor_param": "from"}
        return said, {**pages, "at": at}
    if kind == "header link":
        at = rng.choice(["next", "next", "more"])
        said = {"type": "header_link", **({} if at == "next" else {"links_next_key": at})}
        silent = at == "next" and form == "absolute" and rng.random() < 0.3
        return (None if silent else said), {**pages, "at": at}
    at = rng.choice(["next", "links.next", "meta.more_url"])
    said = {"type": rng.choice(["json_link", "json_link", "json_response"]), "next_url_path": at}
    if at == "next" and rng.random() < 0.5:
        del said["next_url_path"]
    silent = at != "meta.more_url" and form == "absolute" and rng.random() < 0.2
    return (None if silent else said), {**pages, "at": at, "end": rng.choice(["null", "absent"])}
