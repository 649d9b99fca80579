"""What functions of a document remember from run to run: each stream its own, and all of a source.

It is kept as an entry of the streams' state, so that it is committed with the rows that belong to
it. What all share is kept by each stream as far as that stream looked at it and it changed; of
several the value of the latest run counts.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

from penstock.errors import ReadError
from penstock.plan import jsontext
from penstock.plan.door import Own, Tables
from penstock.plan.expr import JsonValue
from penstock.read.parts import StateEntries

ENTRY: Final = "memory"
_RESOURCES: Final = "resources"

# What is no JSON value is a text with a mark before it, as in the state of dlt.
_DECIMAL, _MOMENT, _DATE, _BYTES, _TIME = "\uf026", "\uf027", "\uf028", "\uf02b", "\uf02d"


_CURSORS: Final[Mapping[str, Literal["moment", "day"]]] = {_MOMENT: "moment", _DATE: "day"}
_READERS: dict[str, Callable[[str], object]] = {
    _DECIMAL: Decimal,
    _MOMENT: datetime.fromisoformat,
    _DATE: date.fromisoformat,
    _BYTES: base64.b64decode,
    _TIME: time.fromisoformat,
}


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The entry of a stream: its own memory, and shared values with the run they are from.

    `cursor` says of what kind the values of its cursor are, where JSON does not: moments or days.
    `read` are the states of other streams that its functions read themselves, `others` what they
    left in the memory of other streams. `at` is when its own was changed, as the numbers there.
    """

    own: Any = None
    at: int = 0
    cursor: Literal["moment", "day"] | None = None
    shared: dict[str, tuple[int, Any]] = {}
    read: dict[str, dict[str, str]] = {}
    others: dict[str, tuple[int, Any]] = {}


class Shared:
    """What the streams of a source remember together, from the entries of all of them.

    `run` is a number that grows from run to run, `tables` are those that it found.
    """

    def __init__(
        self, states: Mapping[str, Mapping[str, str]], run: int, tables: Tables | None = None
    ) -> None:
        self.run = run
        self.tables = tables
        kept = {name: _read(entries.get(ENTRY)) for name, entries in states.items()}
        newest = _newest(one.shared for one in kept.values())
        self.values: dict[str, Any] = {
            name: unmarked(value) for name, (_, value) in newest.items() if value is not None
        }
        self.before = {name: _encoded(value) for name, value in self.values.items()}
        own = [{name: (one.at, one.own)} for name, one in kept.items() if one.own is not None]
        self._left = _newest((*own, *(one.others for one in kept.values())))
        self._owned: dict[str, Own] = {}
        self._owned_before: dict[str, bytes] = {}
        self._changes = 0

    def own(self, stream: str) -> Own:
        """What a stream remembers of its own, whether it is read in this run or not."""
        if stream not in self._owned:
            found = unmarked(self._left[stream][1]) if stream in self._left else None
            self._owned[stream] = Own(found if isinstance(found, dict) else {})
            self._owned_before[stream] = _encoded(self._owned[stream])
        return self._owned[stream]

    def begin_anew(self, stream: str) -> None:
        """Nothing is left of what a stream remembered of its own."""
        self._left.pop(stream, None)

    def owned(self) -> dict[str, Own]:
        """What each stream remembers of its own, as far as there is anything."""
        return {name: held for name in {**self._left, **self._owned} if (held := self.own(name))}

    def changed(self, stream: str) -> bool:
        """Whether a stream remembers else of its own than when the run began."""
        return _encoded(self._owned[stream]) != self._owned_before[stream]

    def next_change(self) -> int:
        """A number that is greater than that of any change before."""
        self._changes += 1
        return self.run * 1_000_000 + self._changes


def _newest(found: Iterable[Mapping[str, tuple[int, Any]]]) -> dict[str, tuple[int, Any]]:
    """Of values with numbers those with the greatest, by name."""
    newest: dict[str, tuple[int, Any]] = {}
    for values in found:
        for name, (version, value) in values.items():
            if name not in newest or newest[name][0] <= version:
                newest[name] = (version, value)
    return newest


class View(MutableMapping[str, Any]):
    """The shared memory as one stream sees it, which notes what the stream looked at.

    In it stands what each stream remembers of its own, as in the state of a source of dlt.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self.seen: set[str] = set()
        self.others: set[str] = set()  # streams whose own memory was looked at

    def __getitem__(self, name: str) -> Any:
        if name == _RESOURCES and name not in self._shared.values:
            owned = self._shared.owned()
            self.others |= owned.keys()
            if owned:
                return owned
        self.seen.add(name)
        return self._shared.values[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.seen.add(name)
        self._shared.values[name] = value

    def __delitem__(self, name: str) -> None:
        self.seen.add(name)
        del self._shared.values[name]

    def __iter__(self) -> Iterator[str]:
        resources = (_RESOURCES,) if self._shared.owned() else ()
        return iter(dict.fromkeys((*self._shared.values, *resources)))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def changed(self) -> dict[str, tuple[int, JsonValue]]:
        """What the stream looked at and is not as it was; what is gone is null."""
        shared, found = self._shared, dict[str, tuple[int, JsonValue]]()
        for name in sorted(self.seen):
            now = _encoded(shared.values.get(name))
            if now != shared.before.get(name, b"null"):
                found[name] = (shared.run, marked(shared.values.get(name)))
        return found


class Memory:
    """What the functions of one stream remember; `source` and `stream` are the names of these.

    A stream that begins `anew` has nothing of its own from earlier runs.
    """

    def __init__(
        self, source: str, stream: str, text: str | None, shared: Shared, *, anew: bool = False
    ) -> None:
        self.source = source
        self.stream = stream
        self._kept = _read(text)
        self._run = shared
        if anew:
            shared.begin_anew(stream)
        self.own = shared.own(stream)
        self.shared = View(shared)
        self.cursor = self._kept.cursor
        self.read = {name: dict(entries) for name, entries in self._kept.read.items()}
        self.tables = shared.tables

    def of(self, stream: str) -> Own:
        """What another stream remembers of its own, to be read and changed."""
        if stream != self.stream:
            self.shared.others.add(stream)
        return self._run.own(stream)

    @property
    def used(self) -> bool:
        """Whether anything is remembered, or was looked for."""
        return bool(self.own or self.shared.seen or self.shared.others or self.read)

    def entries(self) -> StateEntries:
        """The entry, if it is not as it was.

        Raises:
            ReadError: something is remembered that cannot be kept.
        """
        if not (self.used or self.cursor or self._kept.own):
            return ()
        shared = {**self._kept.shared, **self.shared.changed()}
        own = marked(self.own) or None
        kept = Kept(
            own=own,
            at=self._kept.at if own == self._kept.own else self._run.next_change(),
            cursor=self.cursor,
            shared=shared,
            read=self.read,
            others={**self._kept.others, **self._of_others()},
        )
        if kept == self._kept:
            return ()
        return ((ENTRY, _text(kept)),)

    def _of_others(self) -> dict[str, tuple[int, JsonValue]]:
        """What other streams remember that this one looked at, where it is not as it was."""
        names = sorted(self.shared.others - {self.stream})
        changed = [name for name in names if self._run.changed(name)]
        return {name: (self._run.next_change(), marked(self._run.own(name))) for name in changed}


def taken_over(
    own: Mapping[str, JsonValue], shared: Mapping[str, JsonValue], last: JsonValue = None
) -> dict[str, str]:
    """The entry of what dlt kept, `last` in its cursor: any run of Penstock's is later."""
    mark = last[:1] if isinstance(last, str) else ""
    cursor = _CURSORS.get(mark)
    if not own and not shared and cursor is None:
        return {}
    values = {name: (0, value) for name, value in shared.items()}
    kept = Kept(own=own or None, cursor=cursor, shared=values)
    return {ENTRY: _text(kept)}


def told(text: str | None) -> tuple[dict[str, JsonValue], dict[str, JsonValue]]:
    """What an entry holds, as dlt keeps it: a stream's own, and what all share."""
    kept = _read(text)
    return dict(kept.own or {}), {name: value for name, (_, value) in kept.shared.items()}


def _text(kept: Kept) -> str:
    held = msgspec.to_builtins(kept)
    left = {k: v for k, v in held.items() if k in {"own", "shared"} or v}
    return jsontext.encode(left).decode()


def _read(text: str | None) -> Kept:
    return Kept() if text is None else msgspec.json.decode(text, type=Kept)


def _encoded(value: object) -> bytes:
    return jsontext.encode(marked(value))


def marked(value: object) -> JsonValue:
    """A value as a state keeps it."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(key): marked(held) for key, held in list(value.items())}
        case list() | tuple() | set() | frozenset():
            return [marked(held) for held in value]
        case datetime():
            return f"{_MOMENT}{value.isoformat()}"
        case date():
            return f"{_DATE}{value.isoformat()}"
        case time():
            return f"{_TIME}{value.isoformat()}"
        case Decimal():
            return f"{_DECIMAL}{value}"
        case bytes():
            return f"{_BYTES}{base64.b64encode(value).decode()}"
        case _:
            message = f"a state holds a {type(value).__name__}, which cannot be kept"
            raise ReadError(message, code="component-failed", hint="keep texts, numbers and lists")


def unmarked(value: JsonValue) -> Any:
    """A value as it was remembered."""
    if isinstance(value, dict):
        return {key: unmarked(held) for key, held in value.items()}
    if isinstance(value, (list, tuple)):
        return [unmarked(held) for held in value]
    if not isinstance(value, str) or not value[:1] >= _DECIMAL:
        return value
    read = _READERS.get(value[0])
    return value if read is None else read(value[1:])
