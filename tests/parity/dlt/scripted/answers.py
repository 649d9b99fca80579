"""The API that scripts made by chance read: three collections, in pages and one by one."""

from __future__ import annotations

from typing import Any

from tests.parity.dlt.server import Ask, Reply

COLLECTIONS = ("users", "orders", "events")
_SIZE = 3


def held(collection: str, which: int) -> list[dict[str, Any]]:
    """The records of a collection; in the second round some are new, gone or changed."""
    found = _FIRST[collection]
    if which == 1:
        return found
    newer = {**found[0], "updated_at": f"2024-03-01T00:00:0{len(found)}Z", "name": "changed"}
    return [newer, *found[2:], {"id": 9, "updated_at": "2024-03-02T00:00:00Z", "extra": {"x": 1}}]


_FIRST: dict[str, list[dict[str, Any]]] = {
    "users": [
        {"id": n, "name": f"u{n}", "updated_at": f"2024-01-0{n}T00:00:00Z",
         "tags": ["a", "b"][: n % 3], "address": {"city": f"c{n % 2}", "geo": {"lat": n + 0.5}}}
        for n in range(1, 6)
    ],
    "orders": [
        {"id": n, "user_id": 1 + n % 3, "total": n * 1.5, "updated_at": f"2024-02-0{n}T00:00:00Z",
         "lines": [{"sku": f"s{i}", "qty": i} for i in range(n % 3)],
         "note": None if n % 2 else "x"}
        for n in range(1, 8)
    ],
    "events": [
        {"id": n, "kind": ["in", "out", "err"][n % 3], "updated_at": f"2024-01-1{n}T00:00:00Z",
         "payload": {"k": n, "deep": [[n]]} if n % 4 else {}}
        for n in range(1, 5)
    ],
}  # fmt: skip


def answer(ask: Ask) -> Any:
    """A page of a collection, one record of it, or what belongs to one."""
    parts = [part for part in ask.path.split("/") if part]
    if parts[0] not in COLLECTIONS:
        return Reply(status=404)
    if len(parts) == 1:
        return _page(ask, parts[0])
    if len(parts) == 2:
        found = [r for r in held(parts[0], ask.round) if str(r["id"]) == parts[1]]
        return found[0] if found else Reply(status=404)
    return {"items": [r for r in held(parts[2], ask.round) if str(r.get("user_id")) == parts[1]]}


def _page(ask: Ask, collection: str) -> Reply:
    """A page by its number, by the token of the one before, or by an offset."""
    since, page = ask.param("since"), ask.number("after", ask.number("page", 1))
    rows = [r for r in held(collection, ask.round) if r["updated_at"] >= since]
    first, size = (page - 1) * _SIZE, _SIZE
    if "offset" in dict(ask.query):
        first, size = ask.number("offset"), ask.number("limit", 2)
    following = f"{ask.base}/{collection}?page={page + 1}" + (f"&since={since}" if since else "")
    more = first + size < len(rows)
    body = {
        "items": rows[first : first + size],
        "next": following if more else None,
        "cursor": page + 1 if more else None,
        "total": len(rows),
    }
    headers = {"Link": f'<{following}>; rel="next"'} if more else {}
    return Reply(body=body, headers=headers, empty=not body["items"])
