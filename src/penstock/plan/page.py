"""The run-time values that the pure functions of the plan speak of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from typing import TypeAlias, TypeVar, overload
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from penstock.errors import ReadError
from penstock.patterns import pattern
from penstock.plan.expr import JsonValue

# What `requests`, under both reference engines, leaves as it is in a URL.
_URL_SAFE = "!#$%&'()*+,/:;=?@[]~"
_PLAIN = pattern(r"[A-Za-z0-9_./:-]*")  # what most URLs consist of: nothing is to be quoted
# Where brackets hold the number of a host; anywhere else they are written otherwise.
_HOSTED = pattern(r"[A-Za-z][\w+.-]*://[^/?#]*")


T = TypeVar("T")


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A request ready to be signed and sent; `query` is added to whatever `url` has.

    `unquoted` is the URL in which slashes of data are slashes of the path, where there are any;
    empty where the request is asked for so.
    """

    method: str
    url: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    connect_timeout: float | None = None  # seconds
    read_timeout: float | None = None  # seconds
    unquoted: str | None = None

    @cached_property
    def full_url(self) -> str:
        """The URL with the query, percent-encoded."""
        url = self.url if _PLAIN.fullmatch(self.url) else quote(self.url, safe=_URL_SAFE)
        if "[" in url or "]" in url:
            url = _without_brackets(url)
        if not self.query:
            return url
        joint = "" if url.endswith(("?", "&")) else "&" if "?" in url else "?"
        base, mark, fragment = url.partition("#")
        return base + joint + urlencode(self.query) + mark + fragment

    def with_header(self, name: str, value: str) -> HttpRequest:
        """The request with this header in place of any of the same name."""
        kept = tuple(h for h in self.headers if h[0].lower() != name.lower())
        return msgspec.structs.replace(self, headers=(*kept, (name, value)))

    def with_query(self, name: str, value: str) -> HttpRequest:
        """The request with this query value in place of the first of the same name, or behind."""
        names = [held for held, _ in self.query]
        at = names.index(name) if name in names else len(names)
        kept = [pair for pair in self.query if pair[0] != name]
        kept.insert(at, (name, value))
        return msgspec.structs.replace(self, query=tuple(kept))


def _without_brackets(url: str) -> str:
    authority = _HOSTED.match(url)
    end = authority.end() if authority else 0
    return url[:end] + url[end:].replace("[", "%5B").replace("]", "%5D")


class Headers(Mapping[str, str]):
    """Response headers: names in any case; a name that came twice has its values joined."""

    def __init__(self, pairs: tuple[tuple[str, str], ...] = ()) -> None:
        self._values: dict[str, str] = {}
        for name, value in pairs:
            key = name.lower()
            self._values[key] = f"{self._values[key]}, {value}" if key in self._values else value

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    @overload
    def get(self, key: str, /) -> str | None: ...
    @overload
    def get(self, key: str, /, default: str) -> str: ...
    @overload
    def get(self, key: str, /, default: T) -> str | T: ...
    def get(self, key: str, /, default: object = None) -> object:
        """The value of a header, or `default`: asked for often, and not there most of the time."""
        return self._values.get(key.lower(), default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Headers({sorted(self._values)})"


class HttpResponse(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, whole: `body` is decompressed; `url` is where it came from after redirects."""

    status: int
    url: str
    headers: Headers
    body: bytes
    wire_bytes: int = 0

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status < 400  # noqa: PLR2004 (where client errors begin, RFC 9110 section 15)


Token: TypeAlias = "str | int | float | bool | None"  # noqa: S105 (a page token)


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Where a page stands in its slice: its number from 0, and the token that asks for it.

    `link` marks a token that is the URL of the page, `whole` one that is the JSON text of an object
    or a list.
    """

    index: int = 0
    token: Token = None
    link: bool = False
    whole: bool = False

    @property
    def value(self) -> JsonValue:
        """The token as requests and templates see it."""
        return msgspec.json.decode(str(self.token)) if self.whole else self.token


class Stopped(msgspec.Struct, frozen=True, kw_only=True):
    """Why pagination ended after a page: a stable `reason`, and a sentence for the receipt."""

    reason: str
    detail: str = ""


_AUTHORITY = pattern(r"[A-Za-z]+://[A-Za-z0-9._-]+(?::\d+)?(?=[/?#]|$)")


def origin(url: str) -> str:
    """Scheme, host and port of `url`: what credentials are bound to.

    Raises:
        ReadError: it is no URL that can be asked.
    """
    plain = _AUTHORITY.match(url)
    # What follows a plain authority does not change it, and few of those come again and again.
    return _origin(plain[0] if plain else url)


@lru_cache(maxsize=1024)
def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
        stated = parts.port
    except ValueError as exc:
        raise ReadError(f"{url!r} is no URL that can be asked: {exc}", code="url") from exc
    scheme = parts.scheme.lower()
    port = stated or {"http": 80, "https": 443}.get(scheme, 0)
    host = (parts.hostname or "").lower()
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


_LINK = pattern(r"<([^>]*)>\s*((?:;[^,;\"]*(?:\"[^\"]*\"[^,;\"]*)?)*)")
_REL = pattern(r";\s*rel\s*=\s*\"?([^\";,]+)\"?", re.IGNORECASE)


_PARAM = pattern(r";\s*([^\s=;]+)\s*=\s*(?:\"([^\"]*)\"|([^\";,]*))")


def link_params(text: str) -> dict[str, dict[str, str]]:
    """The links of a `Link` header with all that it says of each, by relation or else by URL."""
    found: dict[str, dict[str, str]] = {}
    for url, params in _LINK.findall(text):
        held = {name: quoted or plain.strip() for name, quoted, plain in _PARAM.findall(params)}
        found[held.get("rel") or url] = {"url": url, **held}
    return found


def link_header(text: str) -> dict[str, str]:
    """The links of a `Link` header by relation (RFC 8288)."""
    links: dict[str, str] = {}
    for url, params in _LINK.findall(text):
        rel = _REL.search(params)
        for name in rel.group(1).split() if rel else ():
            links.setdefault(name, url)
    return links
