"""The simulated API: rows that come and change, behind each way to ask for them, and its faults."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import msgspec
from tests.support.api import BASE, Asked, answer
from tests.support.clock import EPOCH

from penstock.errors import CapError, TransportError
from penstock.plan.page import HttpResponse

Row = dict[str, Any]
VALUES = {"client_id": "me", "client_secret": "s3cret-of-mine"}
FIRST_MS = int(EPOCH * 1000) - 86_400_000  # a day before the simulation's beginning
GROUPS = 5
WRONG = (
    *("reset", "reset", "hang", "500", "503", "429", "gone"),
    *("html", "cut", "empty", "bomb", "token"),
)
LATE = 5  # ms that a row may be late, which is the lag of cursors
LONG = (0, 1, 1000, 60_000, 1_800_000)  # ms between rows


class World:
    """Rows by id. `size` is a page's; `faults` the chance that a request goes wrong."""

    def __init__(self, rng: random.Random, *, rows: int, size: int) -> None:
        self._rng = rng
        self._size = size
        self.rows: dict[int, Row] = {}
        self._count = 0
        self.faults = 0.0
        self.growth = 0.0
        self._tokens = 0
        self._revoked = 0
        self.now_ms = self.began_ms = FIRST_MS
        self.newest_ms = FIRST_MS
        self.grow(rows)

    def grow(self, count: int, steps: Sequence[int] = LONG) -> None:
        """New rows, the newest of all; some at the same moment."""
        for _ in range(count):
            self._pass(steps)
            self._add(self.newest_ms)

    def grow_late(self, count: int) -> None:
        """New rows that come late: a little older than the newest, and never seen before."""
        for _ in range(count if self.rows else 0):
            self._add(max(FIRST_MS, self.newest_ms - self._rng.randint(0, LATE)))

    def _add(self, at: int) -> None:
        number, self._count = self._count, self._count + 1
        self.rows[number] = self._row(number, 1, at, number % GROUPS)

    def change(self, count: int, *, move: bool) -> None:
        """Older rows in new versions: they are the newest now, and may `move` to another group."""
        for _ in range(count if self.rows else 0):
            self._pass([1, 1000, 60_000])
            row = self._rng.choice(list(self.rows.values()))
            group = self._rng.choice([row["g"], row["g"], self._rng.randrange(GROUPS)])
            new = self._row(row["id"], row["v"] + 1, self.newest_ms, group if move else row["g"])
            self.rows[row["id"]] = new

    def shrink(self, count: int) -> None:
        """Rows are deleted."""
        for _ in range(min(count, len(self.rows))):
            del self.rows[self._rng.choice(list(self.rows))]

    def _pass(self, steps: Sequence[int]) -> None:
        """What is new is newer than the last run: rows that come late are another matter."""
        self.newest_ms = max(self.newest_ms, self.now_ms) + self._rng.choice(steps)

    def _row(self, number: int, version: int, at: int, group: int) -> Row:
        row: Row = {"id": number, "at": at, "v": version, "g": group}
        row["pad"] = "x" * (number * 7 % 40)
        draw = (number * 31 + version * 17) % 12
        if draw < 4:
            row["tags"] = [f"t{number}", f"u{version}"][: draw % 3]
        if draw == 5:
            row["odd"] = number + 0.5
        if draw == 6:
            row["odd"] = f"word {number}"
        if draw == 7 and number > 10:
            row["late"] = {"deep": number}
        if draw == 8:
            row["lines"] = [{"n": number}, {"n": f"x{version}"}, {"m": 1}][: 1 + number % 3]
        if draw == 9:
            row["odd"] = number % 2 == 0
        return row

    def __call__(self, asked: Asked) -> HttpResponse | Exception:
        """The answer to a request, right or wrong."""
        if asked.path == "/token":
            self._tokens += 1
            return answer({"access_token": f"t{self._tokens}", "expires_in": 3600})
        wrong = self._wrong(asked) if self._rng.random() < self.faults else None
        if wrong is not None:
            return wrong
        if self._token(asked) <= self._revoked:
            return answer({"error": "no valid token"}, status=401)
        if self.growth and self._rng.random() < self.growth:
            self.now_ms = self.began_ms + int(asked.at * 1000)
            self.grow(1, (0, 1))
        return answer(self._page(asked))

    def _token(self, asked: Asked) -> int:
        return int(asked.headers.get("authorization", "Bearer t0").removeprefix("Bearer t"))

    def _wrong(self, asked: Asked) -> HttpResponse | Exception:
        kind = self._rng.choice(WRONG)
        match kind:
            case "reset":
                return TransportError("the connection was reset")
            case "hang":
                return TransportError("no answer came in 60 s", code="timeout")
            case "bomb":
                return CapError("the answer is larger than a run can take", code="body-too-large")
            case "500" | "503":
                return answer({"error": "no"}, status=int(kind))
            case "gone":
                return answer({"error": "no"}, status=404)
            case "429":
                return answer({}, status=429, headers={"Retry-After": str(self._rng.randint(0, 9))})
            case "html":
                return answer(body=b"<html>down for maintenance</html>")
            case "empty":
                return answer(body=b"")
            case "token":
                self._revoked = self._tokens
                return answer({"error": "no valid token"}, status=401)
            case _:
                body = msgspec.json.encode(self._page(asked))
                return answer(body=body[: self._rng.randrange(len(body))])

    def _page(self, asked: Asked) -> dict[str, Any]:
        rows, name = self._listed(asked), asked.path.split("/")[1]
        size = asked.number("size", self._size)
        if name in {"window", "recent"}:
            return {"data": rows}
        if name == "page":
            start, size = (asked.number("page", 1) - 1) * self._size, self._size
        elif name == "cursor":
            start = int(asked.query.get("cursor", "c0").removeprefix("c") or 0)
        else:
            start = asked.number("offset")
        after = start + size
        more = after < len(rows)
        return {
            "data": rows[start:after],
            "total": len(rows),
            "total_pages": -(-len(rows) // size),
            "next_cursor": f"c{after}" if more else None,
            "next": f"{BASE}/link?offset={after}" if more else None,
        }

    def _recent(self, since: int) -> list[Row]:
        """The groups in which something has changed since then, each with the last moment."""
        last: dict[int, int] = {}
        for row in self.rows.values():
            last[row["g"]] = max(row["at"], last.get(row["g"], 0))
        return [{"id": g, "at": at} for g, at in sorted(last.items()) if at >= since]

    def _listed(self, asked: Asked) -> list[Row]:
        """What a request lists: new rows come last, unless it asks for the newest."""
        parts = asked.path.strip("/").split("/")
        if parts == ["groups"]:
            return [
                {"id": g, "name": f"g{g}"} for g in sorted({r["g"] for r in self.rows.values()})
            ]
        if parts[0] == "recent":  # all of them, or one
            found = self._recent(int(asked.query.get("since") or 0))
            return [row for row in found if str(row["id"]) in (parts[1:] or str(row["id"]))]
        if parts == ["parities"]:
            return [{"id": 0}, {"id": 1}]
        rows = list(self.rows.values())
        if parts[0] == "group":  # one record of its own, which never changes
            return [{"id": int(parts[1])}]
        if parts[0] == "groups":
            rows = [row for row in rows if row["g"] == int(parts[1])]
        if parity := asked.query.get("parity"):
            rows = [row for row in rows if row["id"] % 2 == int(parity)]
        if since := asked.query.get("since"):
            rows = [row for row in rows if row["at"] >= int(since)]
        if after := asked.query.get("after"):
            rows = [row for row in rows if row["at"] > int(after)]
        if until := asked.query.get("until"):
            # A window of a manifest holds its end; one that is no page of its own does not.
            over = 0 if parts[0] == "window" else 1
            rows = [row for row in rows if row["at"] < int(until) + over]
        timely = parts[0] in {"since", "window", "range", "groups"}
        rows.sort(key=lambda r: (r["at"], r["id"]) if timely else (0, r["id"]))
        return rows[::-1] if asked.query.get("order") == "newest" else rows
