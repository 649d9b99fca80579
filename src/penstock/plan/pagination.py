"""Pagination: pure kinds that say which position comes first, what it sends, and what comes next.

A position is passed by value; nothing here remembers anything. What an endpoint has shown of its
page sizes is a `Law`, which is passed in.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, assert_never

import msgspec

from penstock.errors import BodyError, ExprError
from penstock.plan.expr import (
    Const,
    Expr,
    Frame,
    Jinja,
    JoinUrl,
    JsonValue,
    Ref,
    evaluate,
    evaluate_text,
    walk,
)
from penstock.plan.law import Law
from penstock.plan.page import Position, Stopped, Token
from penstock.plan.python import Lead, Pages
from penstock.plan.request import Slot, Value


class PageSize(msgspec.Struct, frozen=True, kw_only=True):
    """How many records a page is asked to hold, and where that is sent (None: it is not)."""

    value: Expr
    into: Slot | None = None


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """When pagination ends, besides its own end.

    `empty`: a page without records ends it. `short`: a page of fewer records than asked ends it
    `never`, `always`, or once it is `proven` by the endpoint's law, if an empty one does and
    nothing tells whether more follow. `more`: a boolean in the answer. `total`: a count in the
    answer, of records or of pages. `when`: a condition. `maximum`: the first token that is not
    asked for. `least`: a number in the answer; a page of fewer records ends it.
    """

    empty: bool = True
    short: Literal["never", "proven", "always"] = "never"
    more: Expr | None = None
    total: Expr | None = None
    total_unit: Literal["records", "pages"] = "records"
    when: Expr | None = None
    maximum: int | None = None
    least: Expr | None = None


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What pagination may know of a page: its records, its answer, and the endpoint's law.

    `count` is what the record path gave, before any step dropped or made records; `seen` are the
    records of the slice up to the end of this page, where somebody counted. `told` is the token of
    the next page, where a class was asked for it.
    """

    count: int
    frame: Frame
    law: Law = Law()
    seen: int | None = None
    told: Token = None


class SinglePage(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One request has everything."""

    size: PageSize | None = None

    def first(self, frame: Frame) -> Position:
        """The only page."""
        del frame
        return Position()

    def values(self, position: Position) -> list[Value]:
        """Nothing to send."""
        del position
        return []

    def next(self, position: Position, facts: Facts) -> Position | Stopped:
        """The end."""
        del position, facts
        return Stopped(reason="single-page")

    def reads(self) -> tuple[Expr, ...]:
        """The expressions that read the answer."""
        return ()


class NextLink(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The answer holds the URL of the next page, absolute or relative to its own.

    With `base`, a relative one stands below it. With `params` the request's query goes along, but
    for what the link says already.
    """

    link: Expr
    base: Expr | None = None
    params: bool = False
    size: PageSize | None = None
    stop: Stop = Stop(empty=False)

    def first(self, frame: Frame) -> Position:
        """The page of the stream's own URL."""
        del frame
        return Position()

    def values(self, position: Position) -> list[Value]:
        """Nothing: the link is whole."""
        del position
        return []

    def next(self, position: Position, facts: Facts) -> Position | Stopped:
        """The page the answer links to."""
        ended = stopped(self.stop, facts)
        if ended:
            return ended
        link = evaluate(self.link, facts.frame)
        if not link:
            return Stopped(reason="no-next")
        if not isinstance(link, str):
            raise BodyError(f"the link to the next page is {link!r}, not a text")
        if self.base is not None:
            joined = JoinUrl(base=self.base, path=Const(value=link))
            link = evaluate_text(joined, facts.frame)
        return Position(index=position.index + 1, token=link, link=True)

    def reads(self) -> tuple[Expr, ...]:
        """The expressions that read the answer."""
        return (self.link, *stop_reads(self.stop))


class NextToken(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The answer holds a token that asks for the next page.

    A token that is itself a link (it starts with a scheme or a slash) is followed if `link` is
    `detect`. With `whole` it may be an object or a list too.
    """

    token: Expr
    into: Slot | None
    whole: bool = False
    first_token: Expr | None = None
    link: Literal["never", "detect"] = "never"
    size: PageSize | None = None
    stop: Stop = Stop(empty=False)

    def first(self, frame: Frame) -> Position:
        """The page without a token, or with the one the document gives."""
        token = evaluate(self.first_token, frame) if self.first_token else None
        return Position(token=as_token(token))

    def values(self, position: Position) -> list[Value]:
        """The token in its slot."""
        if position.token is None or self.into is None:
            return []
        return [(self.into, position.value)]

    @property
    def scrolls(self) -> bool:
        """Whether the token is called a scroll: it stays, and the API itself keeps the place."""
        names = [self.into.name] if self.into else []
        for part in walk(self.token):
            if isinstance(part, Ref):
                names += map(str, part.path)
            elif isinstance(part, Jinja):
                names.append(part.source)
        return any("scroll" in name.lower() for name in names)

    def next(self, position: Position, facts: Facts) -> Position | Stopped:
        """The page of the token in the answer; a false or empty one ends it.

        So does an empty page of a scroll, whose token would go on for ever.
        """
        ended = stopped(self.stop, facts)
        if ended:
            return ended
        if facts.count == 0 and self.scrolls:
            return Stopped(reason="empty-page")
        found = evaluate(self.token, facts.frame)
        if not found:
            return Stopped(reason="no-next")
        if self.whole and isinstance(found, (dict, list, tuple)):
            text = msgspec.json.encode(found).decode()
            return Position(index=position.index + 1, token=text, whole=True)
        token = as_token(found)
        link = self.link == "detect" and looks_like_link(token)
        return Position(index=position.index + 1, token=token, link=link)

    def reads(self) -> tuple[Expr, ...]:
        """The expressions that read the answer."""
        return (self.token, *stop_reads(self.stop))


class Counter(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Pages are numbered, or records are skipped: the next request is known before the answer.

    `unit` says what `into` takes: the number of a page, or of records to skip. `send_first` says
    whether the first request carries it. `base` is the number of the API's first page, where
    reading starts further on: a total counts from there. With `wholes` a page that is one object,
    and no list, counts as many records as were asked for. `doubt` is there where `start` was
    assumed: an API whose answers have this value may begin one page earlier.
    """

    unit: Literal["page", "offset"]
    into: Slot | None
    start: Expr = Const(value=0)
    base: Expr | None = None
    send_first: bool = True
    size: PageSize | None = None
    stop: Stop = Stop()
    wholes: bool = False
    doubt: Expr | None = None

    def first(self, frame: Frame) -> Position:
        """The first page or offset."""
        return Position(token=as_int(evaluate(self.start, frame), "the first page"))

    def values(self, position: Position) -> list[Value]:
        """The number in its slot."""
        if self.into is None or (position.index == 0 and not self.send_first):
            return []
        return [(self.into, position.token)]

    def next(self, position: Position, facts: Facts) -> Position | Stopped:
        """The number after this page's, unless a stop applies."""
        position = self._placed(position, facts)
        following = self.after(position, facts)
        ended = (
            stopped(self.stop, facts)
            or self._at_maximum(following)
            or self._at_total(position, following, facts)
            or self._short(facts)
        )
        return ended or following

    def after(self, position: Position, facts: Facts) -> Position:
        """The position behind `position`, whether or not there is a page.

        An offset moves by what the page held: a server that gives fewer than it was asked for
        would otherwise hide the rest.
        """
        step = 1 if self.unit == "page" else facts.count
        if self.unit == "offset" and step == 0:
            step = facts.law.page or 1
        return Position(index=position.index + 1, token=_number(position) + step)

    def slides(self, count: int, law: Law) -> int:
        """How often a page of `count` records may come again, whose records are known then.

        Offsets move by what came: where records are left out of pages, one may show the same ones
        until it is past them.
        """
        size = law.page or 0
        return size if self.unit == "offset" and self._has_gaps and count < size else 0

    def ahead(self, position: Position, pages: int, law: Law) -> Position | None:
        """The position `pages` behind `position` if the law holds; None where it cannot be told."""
        step = 1 if self.unit == "page" else law.page
        if step is None:
            return None
        following = _number(position) + step * pages
        if self.stop.maximum is not None and following >= self.stop.maximum:
            return None
        return Position(index=position.index + pages, token=following)

    def remaining(self, position: Position, facts: Facts) -> int | None:
        """How many pages the answer's total leaves behind this one; None where it has none."""
        position = self._placed(position, facts)
        total = self._total(facts)
        if total is None:
            return None
        if self.stop.total_unit == "pages":
            return max(0, total + self._base(facts) - _number(position) - 1)
        page = facts.law.page or facts.count
        if not page:
            return None
        seen = self._seen(position, facts)
        return max(0, -(-(total - seen) // page))

    def reads(self) -> tuple[Expr, ...]:
        """The expressions that read the answer."""
        return (*stop_reads(self.stop), *(() if self.doubt is None else (self.doubt,)))

    def before(self, position: Position, frame: Frame) -> Position | None:
        """The page before the first one, where the answer to that leaves doubt."""
        if self.doubt is None or position.index or evaluate(self.doubt, frame) is None:
            return None
        return Position(token=_number(position) - 1)

    def _placed(self, position: Position, facts: Facts) -> Position:
        """The position with its number: a page from before detection was asked for without one."""
        if position.token is not None:
            return position
        return msgspec.structs.replace(position, token=self.first(facts.frame).token)

    def _total(self, facts: Facts) -> int | None:
        if self.stop.total is None:
            return None
        value = evaluate(self.stop.total, facts.frame)
        return None if value is None else as_int(value, "the total")

    def _base(self, facts: Facts) -> int:
        """The number of the API's first page."""
        return as_int(evaluate(self.base or self.start, facts.frame), "the first page")

    def _seen(self, position: Position, facts: Facts) -> int:
        """Records up to the end of this page."""
        if self.unit == "offset":
            gap = facts.count == 0 and not self.stop.empty
            return _number(self.after(position, facts) if gap else position) + facts.count
        if facts.seen is not None:
            return facts.seen
        return position.index * (facts.law.page or facts.count) + facts.count

    def _at_maximum(self, following: Position) -> Stopped | None:
        if self.stop.maximum is not None and _number(following) >= self.stop.maximum:
            return Stopped(reason="maximum", detail=f"{self.stop.maximum} is not asked for")
        return None

    def _at_total(self, position: Position, following: Position, facts: Facts) -> Stopped | None:
        total = self._total(facts)
        if total is None:
            return None
        if self.stop.total_unit == "pages":
            reached = _number(following) >= total + self._base(facts)
        else:
            reached = self._seen(position, facts) >= total
        if reached:
            return Stopped(reason="total", detail=f"{total} {self.stop.total_unit}")
        if facts.count == 0 and self.stop.empty:
            return Stopped(reason="empty-before-total", detail=f"{total} {self.stop.total_unit}")
        return None

    @property
    def _has_gaps(self) -> bool:
        """Whether the document says that pages may be short or empty where more follow."""
        return self.stop.more is not None or not self.stop.empty

    def _short(self, facts: Facts) -> Stopped | None:
        if facts.count == 0:
            return Stopped(reason="empty-page") if self.stop.empty else None
        if self.stop.least is not None:
            least = as_int(evaluate(self.stop.least, facts.frame), "the page size")
            detail = f"{facts.count} of {least} records"
            return Stopped(reason="short-page", detail=detail) if facts.count < least else None
        asked = facts.law.page
        if asked is None or facts.count >= asked or self._total(facts) is not None:
            return None
        proven = self.stop.short == "proven" and facts.law.proven
        trusted = self.stop.short == "always" or (proven and not self._has_gaps)
        detail = f"{facts.count} of {asked} records"
        return Stopped(reason="short-page", detail=detail) if trusted else None


class Detect(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The document does not say: found in the first answer, reported, then kept."""

    size: PageSize | None = None

    def first(self, frame: Frame) -> Position:
        """The page of the stream's own URL."""
        del frame
        return Position()

    def values(self, position: Position) -> list[Value]:
        """Nothing yet."""
        del position
        return []


class Told(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A class of the document's own tells the tokens; `into` and `size_into` are where they go.

    A token that stands for the URL stands below `base` where it is relative.
    """

    pages: Pages
    into: Slot | None = None
    size_into: Slot | None = None
    base: Expr | None = None
    size: None = None
    stop: Stop = Stop(empty=False)

    def first(self, frame: Frame) -> Position:
        """The first page; what its token is, the class is asked."""
        del frame
        return Position()

    def values(self, position: Position) -> list[Value]:
        """The token, where there is one."""
        if position.token is None or self.into is None:
            return []
        return [(self.into, position.token)]

    def next(self, position: Position, facts: Facts) -> Position | Stopped:
        """The end, unless the class has told the token of the next page."""
        token = facts.told
        if token is None:
            return Stopped(reason="no-next")
        if self.into is not None and self.into.place == "url" and self.base is not None:
            token = evaluate_text(JoinUrl(base=self.base, path=Const(value=token)), facts.frame)
        return Position(index=position.index + 1, token=token)

    def reads(self) -> tuple[Expr, ...]:
        """Nothing: the class is handed the whole answer."""
        return ()


class Led(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A class of the document's own makes the request of each page; a token is that request."""

    lead: Lead
    size: None = None
    stop: Stop = Stop(empty=False)

    def first(self, frame: Frame) -> Position:
        """The first page."""
        del frame
        return Position()

    def values(self, position: Position) -> list[Value]:
        """Nothing: the class shapes the request itself."""
        del position
        return []

    def next(self, position: Position, facts: Facts) -> Position | Stopped:
        """The end, unless the class has made the request of the next page."""
        if facts.told is None:
            return Stopped(reason="no-next")
        return Position(index=position.index + 1, token=facts.told)

    def reads(self) -> tuple[Expr, ...]:
        """Nothing: the class is handed the whole answer."""
        return ()


Decided: TypeAlias = SinglePage | NextLink | NextToken | Counter | Told | Led
Pagination = SinglePage | NextLink | NextToken | Counter | Told | Led | Detect


def stopped(stop: Stop, facts: Facts) -> Stopped | None:
    """Whether a condition in the answer ends pagination."""
    if stop.when is not None and evaluate(stop.when, facts.frame):
        return Stopped(reason="stop-condition")
    if stop.more is not None and not as_bool(evaluate(stop.more, facts.frame)):
        return Stopped(reason="no-more")
    if stop.empty and facts.count == 0 and stop.total is None:
        return Stopped(reason="empty-page")
    return None


def stop_reads(stop: Stop) -> tuple[Expr, ...]:
    """The expressions of `stop` that read the answer."""
    read = (stop.more, stop.total, stop.when, stop.least)
    return tuple(e for e in read if e is not None)


def asked_size(pagination: Pagination, frame: Frame) -> int | None:
    """How many records a page is asked to hold, or None."""
    if pagination.size is None:
        return None
    return as_int(evaluate(pagination.size.value, frame), "the page size")


def size_values(pagination: Pagination, frame: Frame) -> list[Value]:
    """The page size in its slot, where it has one."""
    size = pagination.size
    if size is None or size.into is None:
        return []
    return [(size.into, evaluate(size.value, frame))]


def looks_like_link(token: Token) -> bool:
    """Whether a token is a URL or an absolute path."""
    return isinstance(token, str) and token.startswith(("http://", "https://", "/"))


def as_token(value: JsonValue) -> Token:
    """A token as the answer gave it.

    Raises:
        BodyError: it is an object or a list.
    """
    if isinstance(value, (dict, list, tuple)):
        raise BodyError(f"the token of the next page is {value!r}, not a text or number")
    return value


def as_int(value: JsonValue, what: str) -> int:
    """A whole number, also where it comes as text.

    Raises:
        ExprError: it is none; `what` names it.
    """
    try:
        if isinstance(value, (int, float, str)) and not isinstance(value, bool):
            number = int(value)
            if number == float(value):
                return number
    except (ValueError, OverflowError):
        pass
    raise ExprError(f"{what} is {value!r}, not a whole number")


_BOOLS = {
    **dict.fromkeys(("yes", "true", "t", "y", "1"), True),
    **dict.fromkeys(("no", "false", "f", "n", "0"), False),
}


def as_bool(value: JsonValue) -> bool:
    """A boolean, also as a text that means one, as dlt knows them.

    Raises:
        ExprError: it is none.
    """
    if isinstance(value, str) and value.lower() in _BOOLS:
        return _BOOLS[value.lower()]
    if isinstance(value, (bool, int)):
        return bool(value)
    raise ExprError(f"the sign for more pages is {value!r}, not true or false")


def _number(position: Position) -> int:
    token = position.token
    assert isinstance(token, int), "a counter's token is a number"
    return token


def kind_name(pagination: Pagination) -> str:
    """The kind in words, for messages and receipts."""
    match pagination:
        case SinglePage():
            return "single page"
        case NextLink():
            return "next link"
        case NextToken():
            return "next token"
        case Counter():
            return "page number" if pagination.unit == "page" else "offset"
        case Told():
            return f"told by {pagination.pages.name}"
        case Led():
            return f"led by {pagination.lead.name}"
        case Detect():
            return "to be detected"
        case _:
            assert_never(pagination)
