"""What the emulated APIs have in common: routes, truth, change, and a cache of rendered pages."""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator

import msgspec

from penstock.emulator.changes import FOREVER_MS, Collection, Selection
from penstock.emulator.replies import Answer, Ask, Refused, problem
from penstock.emulator.settings import Settings
from penstock.emulator.times import parse

Handler = Callable[[Ask], Answer]
CACHE_BYTES = 32 << 20
"""Of answers that are kept, to be given again."""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint: a method, a path with `{placeholders}`, and what answers it."""

    method: str
    pattern: re.Pattern[str]
    handler: Handler
    secured: bool = True
    cached: bool = True


def route(
    method: str, path: str, handler: Handler, *, secured: bool = True, cached: bool = True
) -> Route:
    """Make a route from a path such as `/v2/users/{user_id}`."""
    pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))
    return Route(method=method, pattern=pattern, handler=handler, secured=secured, cached=cached)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What one `advance` did: records added (`late` of them behind the newest) and changed."""

    added: int
    late: int
    changed: int
    now_ms: int


class Api(ABC):
    """An emulated API: answers requests from its settings, and knows every record it holds."""

    name: str
    streams: tuple[str, ...]

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self.clock = clock
        self.routes = self._routes()
        self._cache: OrderedDict[tuple[str, ...], Answer] = OrderedDict()
        self._cached = 0

    @abstractmethod
    def _routes(self) -> tuple[Route, ...]:
        """Give the endpoints."""

    @abstractmethod
    def refusal(self, ask: Ask) -> Answer | None:
        """Give the answer to a request whose credentials are wrong, or None if they are right."""

    @abstractmethod
    def truth(self, stream: str) -> Iterator[bytes]:
        """Give every record that a complete load of a stream holds now, as JSON."""

    @abstractmethod
    def _advance(self, count: int) -> Step:
        """Let an hour pass in the data."""

    def revoke(self) -> None:
        """Make every access token given so far worthless; a fixed key stays good."""
        return

    def advance(self, count: int) -> Step:
        """Change the data, as the seed says: `count` new records, and some older ones changed."""
        self._cache.clear()
        self._cached = 0
        return self._advance(count)

    def respond(self, ask: Ask) -> Answer:
        """Answer a request."""
        try:
            return self._respond(ask)
        except Refused as refused:
            return refused.answer

    def _respond(self, ask: Ask) -> Answer:
        for found in self.routes:
            match = found.pattern.fullmatch(ask.path)
            if match is None or found.method != ask.method:
                continue
            refusal = self.refusal(ask) if found.secured else None
            if refusal is not None:
                return refusal
            ask = msgspec.structs.replace(ask, words=match.groupdict())
            return self._cached_answer(found, ask) if found.cached else found.handler(ask)
        return problem(404, "not_found", f"there is no {ask.method} {ask.path}")

    def _cached_answer(self, found: Route, ask: Ask) -> Answer:
        query = (f"{name}={value}" for name, value in ask.query.items())
        key = (ask.origin, ask.path, str(ask.skew), *query)
        answer = self._cache.get(key)
        if answer is not None:
            self._cache.move_to_end(key)
            return answer
        answer = found.handler(ask)
        if answer.pieces is None and len(answer.body) < CACHE_BYTES:
            self._cache[key] = answer
            self._cached += len(answer.body)
        while self._cached > CACHE_BYTES:
            self._cached -= len(self._cache.popitem(last=False)[1].body)
        return answer

    def limit(self, ask: Ask, default: int, cap: int) -> int:
        """Give the page size of a request: what it asks for, at most the API's cap."""
        asked = ask.number("limit", "items_per_page", default=default, least=1)
        return min(asked, self.settings.page_cap or cap)


def moment(ask: Ask, name: str, default: int) -> int:
    """Read a query parameter that is a moment.

    Raises:
        Refused: it is not one.
    """
    if name not in ask.query:
        return default
    try:
        return parse(ask.query[name])
    except ValueError:
        message = f"{name} must be an ISO 8601 date and time, or milliseconds since 1970"
        raise Refused(problem(400, "bad_request", message)) from None


def since(ask: Ask, name: str, records: Collection, by: str) -> Selection:
    """Select the records a lower bound asks for, or all if it is not sent."""
    if name not in ask.query:
        return records.all()
    low = moment(ask, name, 0)
    return records.between(low, FOREVER_MS, "created" if by == "created" else "updated")


def bearer(ask: Ask) -> str | None:
    """Give the bearer token of a request, if it has one."""
    scheme, _, token = ask.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def with_field(record: bytes, field: str, value: str) -> bytes:
    """Add a text field to a record that is a JSON object with at least one field."""
    return b'%s,"%s":"%s"}' % (record[:-1], field.encode(), value.encode())


def numbered(
    key: str, records: Iterable[bytes], number: int, size: int, total: int
) -> tuple[str, list[bytes], bytes]:
    """Give the parts of a page that says its number and the total."""
    pages = -(-total // size)
    more = b'"page":%d,"per_page":%d,"total":%d,"total_pages":%d' % (number, size, total, pages)
    return key, list(records), more
