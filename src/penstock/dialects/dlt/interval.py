"""The range of an incremental that a scheduler sets: `allow_external_schedulers`.

As in dlt it stands in the environment, as `DLT_INTERVAL_START` and `DLT_INTERVAL_END`. What the
document says itself holds beside it: a run loads what lies in both ranges.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, TypeAlias

import msgspec

from penstock.dialects.dlt.context import Context
from penstock.dialects.document import Node
from penstock.errors import ExprError
from penstock.plan.expr import Array, Const, Converted, Expr, JsonValue, Ref, Scope
from penstock.plan.slices import Cursor
from penstock.plan.source import Input

Edge = Literal["start", "end"]
_Bound: TypeAlias = "int | float | str"
_ZONE = "dlt_interval_timezone"
_DATE = len("2024-01-01")


class Within(msgspec.Struct, frozen=True, kw_only=True):
    """One end of a scheduler's interval as the cursor spells it, within what the document says.

    It is given the time, the zone that it is meant in, and the document's own two bounds.
    """

    edge: Edge
    pick: Callable[[tuple[JsonValue, JsonValue]], JsonValue]

    def __call__(self, given: JsonValue) -> JsonValue:
        """The bound."""
        assert isinstance(given, (list, tuple)), "four values were asked for"
        text, zone, first, last = given
        found = _like(_moment(str(text), zone), first)
        own = first if self.edge == "start" else last
        if own is None:
            return found
        mine, theirs = _comparable(own), _comparable(found)
        picked = self.pick((mine, theirs))  # type: ignore[arg-type]  # moments, or of one class
        return own if picked == (mine if self.edge == "start" else theirs) else found


def joined_with(ctx: Context, cursor: Cursor, node: Node) -> Cursor:
    """The cursor with the range that a scheduler sets."""
    if cursor.start is None:
        what = "an incremental that a scheduler sets the range of"
        ctx.missing(node, "initial_value", what, "its class says how the cursor spells times")
        return cursor
    pick = cursor.fold.function if cursor.fold else max if cursor.pick == "max" else min
    own = (cursor.start, cursor.end or Const(value=None))
    edges = {edge: _bound(ctx, edge, own, pick) for edge in ("start", "end")}
    return msgspec.structs.replace(cursor, **edges)


def _bound(
    ctx: Context,
    edge: Edge,
    own: tuple[Expr, Expr],
    pick: Callable[..., JsonValue],
) -> Expr:
    name = f"dlt_interval_{edge}"
    said = f"where the scheduler's interval {'begins' if edge == 'start' else 'ends'}"
    ctx.inputs.setdefault(name, Input(name=name, description=said))
    zone = Input(name=_ZONE, required=False, description="the zone its times are spelled in")
    ctx.inputs.setdefault(_ZONE, zone)
    refs = (Ref(at=Scope.SOURCE, path=(name,)), Ref(at=Scope.SOURCE, path=(_ZONE,), optional=True))
    function = Within(edge=edge, pick=pick)
    return Converted(value=Array(items=(*refs, *own)), function=function, name=name)


def _moment(text: str, zone: JsonValue) -> datetime:
    """A time of the environment, which is meant in UTC where it says no zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ExprError(f"{text!r} is no time", hint="write it as 2024-01-31T00:00:00Z") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not zone:
        return moment
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415 (few say one)

    try:
        return moment.astimezone(ZoneInfo(str(zone)))
    except (ZoneInfoNotFoundError, ValueError):
        raise ExprError(f"{zone!r} is no zone", hint="write it as Europe/Berlin") from None


def _like(moment: datetime, first: JsonValue) -> _Bound:
    """A time as the cursor's first value is spelled."""
    match first:
        case bool() | None:
            pass
        case int():
            return int(moment.timestamp())
        case float():
            return moment.timestamp()
        case str():
            known = _comparable(first)
            if isinstance(known, datetime):
                return _spelled(moment, first)
        case _:
            pass
    raise ExprError(
        f"a scheduler's interval cannot be compared with the initial_value {first!r}",
        hint="give a time, or a number of seconds",
    )


def _spelled(moment: datetime, like: str) -> str:
    if len(like) == _DATE:
        return moment.astimezone(UTC).date().isoformat()  # as dlt has days
    if datetime.fromisoformat(like).tzinfo is None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    text = moment.isoformat(like[_DATE])
    return text.replace("+00:00", "Z") if like.endswith("Z") else text


def _comparable(value: JsonValue) -> JsonValue | datetime:
    """A bound so that it compares with others: a time as a moment."""
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return value
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
