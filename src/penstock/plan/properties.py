"""Properties to ask for: where an API returns only the fields that a request names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

import msgspec

from penstock.plan.expr import Frame, JsonValue
from penstock.plan.records import Glob, Keys
from penstock.plan.transforms import Transform, apply

_COMMA = len("%2C")  # characters of the comma between two names, in a URL
Record: TypeAlias = "dict[str, JsonValue]"


class Properties(msgspec.Struct, frozen=True, kw_only=True):
    """The names a stream asks for, as `query_properties` of the page, joined with commas.

    They are `names`, or what the helper stream `source` gives at `path` of each record. One request
    of a page is sent for each chunk of at most `limit` names or characters, `always` among them;
    the chunks' records are merged by the value of `key`. `selected` keeps only the columns that
    a platform has chosen, where one has, after `changes` were made to them.
    """

    names: tuple[str, ...] = ()
    source: str | None = None
    path: Keys | Glob | None = None
    always: tuple[str, ...] = ()
    unit: Literal["names", "characters"] = "names"
    limit: int | None = None
    key: tuple[str, ...] = ()
    selected: bool = False
    changes: tuple[Transform, ...] = ()

    def kept(
        self, names: tuple[str, ...], chosen: Mapping[str, JsonValue] | None, frame: Frame
    ) -> tuple[str, ...]:
        """The names that a platform has chosen."""
        if not self.selected or chosen is None:
            return names
        left = dict(chosen)
        for change in self.changes:
            left = apply(change, left, msgspec.structs.replace(frame, record=left))
        return tuple(name for name in names if name in left)

    def chunks(self, names: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        """The names of each request."""
        if self.limit is None:
            yield tuple(dict.fromkeys((*self.always, *names)))
            return
        held = list(self.always)
        size = 0
        for name in names:
            cost = 1 if self.unit == "names" else len(name) + _COMMA
            if size and size + cost > self.limit:
                yield tuple(dict.fromkeys(held))
                held, size = list(self.always), 0
            held.append(name)
            size += cost
        yield tuple(dict.fromkeys(held))


def merged(into: Record, more: Record) -> Record:
    """Two parts of one record as one; objects in both are merged too."""
    made = dict(into)
    for key, value in more.items():
        held = made.get(key)
        both = isinstance(held, dict) and isinstance(value, dict)
        made[key] = merged(held, value) if both else value  # type: ignore[arg-type]  # both are
    return made
