"""Where credentials may go: the origins the document names, and no others."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from urllib.parse import urljoin, urlsplit, urlunsplit

from penstock.errors import ExprError, OriginError, ReadError
from penstock.patterns import pattern
from penstock.plan.auth import Choose, OAuth2
from penstock.plan.expr import (
    Case,
    Concat,
    Const,
    Expr,
    Frame,
    Jinja,
    JoinUrl,
    JsonValue,
    Scope,
    evaluate_text,
)
from penstock.plan.page import origin
from penstock.plan.source import Source

_GAP = "\0"  # where data of the API stands in a URL
_HOST = pattern(r"(?:https?://)?([^/?#]*)", re.IGNORECASE)
_TEMPLATE = pattern(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


def joined(base: str, link: str) -> str:
    """The absolute URL of a link found at `base`.

    Raises:
        ReadError: it is not a link that can be followed.
    """
    try:
        url = urljoin(base, link)
        parts = urlsplit(url)
        # A backslash is part of a name to one reader of URLs, and ends it to another.
        usable = parts.scheme in {"http", "https"} and parts.hostname and "\\" not in parts.netloc
        origin(url)
    except (ValueError, ReadError):
        usable = False
    if not usable:
        raise ReadError(f"{link!r} is not a link that can be followed", code="link")
    return url


def leads(expr: Expr, url: str, frame: Frame) -> bool:
    """Whether the document itself has a host that is made of data, and a URL is at that host.

    What the document says of the host around the data must stand there as it is.
    """
    if not isinstance(expr, JoinUrl):
        return False
    base = expr.path if _pattern(expr.path).startswith(("http://", "https://")) else expr.base
    if base.scope is Scope.SOURCE:
        return False
    said = _HOST.match(_pattern(base))
    try:
        found = _origin_of(evaluate_text(base, frame))
    except ExprError:
        return False
    return said is not None and found == origin(url) and fits(said[1], urlsplit(url).netloc)


def fits(said: str, host: str) -> bool:
    """Whether a host is the one that is said, where data stands for each gap."""
    first, *rest = said.split(_GAP)
    if not rest:
        return host == first
    inner = "".join(rf"[^@\\]*{re.escape(part)}" for part in rest)
    return re.fullmatch(re.escape(first) + inner, host) is not None


def _pattern(base: Expr) -> str:
    """The text of a base with gaps where data stands."""
    match base:
        case Const():
            return str(base.value)
        case Concat():
            return "".join(map(_pattern, base.parts))
        case Jinja():
            return _TEMPLATE.sub(_GAP, base.source)
        case _:
            return _GAP


def _origin_of(url: str) -> str | None:
    try:
        return origin(url)
    except ReadError:
        return None


class Origins:
    """The origins of a document, and where its base origin is moved to, if it is."""

    def __init__(
        self,
        named: Iterable[str],
        *,
        base: str | None = None,
        moved_to: str | None = None,
        also: Iterable[str] = (),
    ) -> None:
        self._base = _origin_of(base) if base else None
        self._moved_to = moved_to.rstrip("/") if moved_to else None
        # Credentials are bound to no origin by what is no URL: whoever asks there is told so.
        self._allowed = {found for url in named if url and (found := _origin_of(url))}
        self._allowed |= {origin(url) for url in also if url}
        if self._moved_to:
            self._allowed.add(origin(self._moved_to))

    @classmethod
    def of(
        cls,
        source: Source,
        values: Mapping[str, JsonValue],
        *,
        moved_to: str | None = None,
        also: Iterable[str] = (),
    ) -> Origins:
        """Those that a document names, as far as they are known before the run."""
        frame = Frame(source=values)
        base = _known(source.base_url, frame) if source.base_url else None
        return cls(_named_urls(source, frame), base=base, moved_to=moved_to, also=also)

    def beside(self, source: Source, values: Mapping[str, JsonValue]) -> Origins:
        """These, and those that another document names."""
        made = copy.copy(self)
        others = Origins.of(source, values)
        made._allowed = self._allowed | others._allowed  # noqa: SLF001 (its own kind)
        return made

    def place(self, url: str) -> str:
        """The URL to ask in place of `url`: moved with the base origin, if that is moved."""
        if self._moved_to is None or self._base is None or origin(url) != self._base:
            return url
        parts = urlsplit(url)
        return self._moved_to + urlunsplit(("", "", parts.path or "/", parts.query, parts.fragment))

    def follow(self, link: str, seen_at: str) -> str:
        """The absolute URL of a link found in the answer of `seen_at`.

        A link that only drops TLS (`http` for the `https` host of the document) keeps TLS.

        Raises:
            OriginError: it leads to an origin that the document does not name.
            ReadError: it is not a link that can be followed.
        """
        url = self.place(joined(seen_at, link))
        if self.allows(url):
            return url
        parts = urlsplit(url)
        secure = urlunsplit(("https", parts.netloc, parts.path, parts.query, parts.fragment))
        if parts.scheme == "http" and parts.port is None and self.allows(self.place(secure)):
            return self.place(secure)
        raise OriginError(
            f"the next page is at {origin(url)}, but the document names {self.named()}",
            code="origin-not-allowed",
            hint=f"if that is right, allow it with --allow-origin {origin(url)}",
            request=f"GET {url}",
        )

    def allows(self, url: str) -> bool:
        """Whether credentials may be sent to `url`."""
        return origin(url) in self._allowed

    def named(self) -> str:
        """The allowed origins, for messages."""
        return ", ".join(sorted(self._allowed)) or "none"


def _named_urls(source: Source, frame: Frame) -> list[str]:
    """Every URL the document names, as far as it is known before the run."""
    found: list[Expr] = [source.base_url] if source.base_url else []
    for stream in source.streams:
        url = stream.request.url
        found += [option for _, option in url.options] if isinstance(url, Case) else [url]
        auths = [stream.auth]
        while auths:
            auth = auths.pop()
            if isinstance(auth, Choose):
                auths += [option for _, option in auth.options]
            elif isinstance(auth, OAuth2):
                found.append(auth.url)
    named = [_known(e, frame) for e in found if e.scope is Scope.SOURCE]
    return [url for url in named if url is not None]


def _known(url: Expr, frame: Frame) -> str | None:
    """A URL, if it can be told before the run; if not, whoever asks there says why."""
    try:
        return evaluate_text(url, frame)
    except ExprError:
        return None
