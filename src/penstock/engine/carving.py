"""Lists of records that go to tables which stand for themselves: taken out, to the letter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from penstock.plan.hints import Hints
from penstock.shape import Block, Segment
from penstock.shape.names import MAX_NAME, SEPARATOR, identifier
from penstock.shape.tree import LIST, VALUE

_Raws = dict[str, msgspec.Raw]
_Found = dict[str, list[msgspec.Raw]]
_FIELDS = msgspec.json.Decoder(_Raws)
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_SPACE = b" \t\r\n"

Way = tuple[str, ...]


def ways(hints: Hints, longest: int = MAX_NAME) -> dict[Way, Hints]:
    """The ways to lists that make tables of their own, and what is said of these."""
    found = {}
    for one in hints.nested if hints.nesting == "tables" else ():
        room = None if hints.max_nesting is None else hints.max_nesting - len(one.path)
        if one.own is not None and (room is None or room >= 0):
            found[way_to(one.path, longest)] = msgspec.structs.replace(one.own, max_nesting=room)
    return found


def way_to(path: Way, longest: int) -> Way:
    """The names of keys that a child table's name is made of."""
    return tuple(part for name in path for part in identifier(name, longest).split(SEPARATOR))


class Carver:
    """Takes the lists at the ends of `ways` out of records.

    Where the tables these go to are `rooted`, their rows name those of the records, whose ids are
    drawn here. What tells `versions` of records apart is made of them as they were.
    """

    def __init__(
        self,
        targets: Mapping[Way, str],
        *,
        rooted: bool = False,
        versions: bool = False,
        longest: int = MAX_NAME,
    ) -> None:
        self._longest = longest
        self._targets = targets
        self._rooted = rooted
        self._versions = versions
        self._begun = {way[:n] for way in targets for n in range(1, len(way) + 1)}

    def carve(self, block: Block) -> tuple[Block, dict[str, Block]]:
        """The block without these lists, and blocks of their elements by table."""
        kept: list[Segment] = []
        taken: dict[str, list[Segment]] = {}
        for segment in block.segments:
            rest, found = self._segment(segment)
            kept.append(rest)
            for table, made in found.items():
                taken.setdefault(table, []).append(made)
        whole = msgspec.structs.replace(block, segments=tuple(kept))
        return whole, {
            table: Block(load_id=block.load_id, segments=tuple(segments))
            for table, segments in taken.items()
        }

    def _segment(self, segment: Segment) -> tuple[Segment, dict[str, Segment]]:
        """A segment without these lists, and their elements by table."""
        ids = _drawn(len(segment.records)) if self._rooted else ()
        found: _Found = {}
        roots: dict[str, list[str]] = {}
        records = []
        for number, record in enumerate(segment.records):
            records.append(self._record(record, found))
            for table, elements in found.items() if ids else ():
                held = roots.setdefault(table, [])
                held += [ids[number]] * (len(elements) - len(held))
        whole = (segment.whole or segment.records) if self._versions else ()
        return msgspec.structs.replace(segment, records=records, ids=ids, whole=whole), {
            table: Segment(records=elements, origin=segment.origin, roots=roots.get(table, ()))
            for table, elements in found.items()
        }

    def _record(self, record: bytes | msgspec.Raw, found: _Found) -> msgspec.Raw:
        raw = record if isinstance(record, msgspec.Raw) else msgspec.Raw(record)
        try:
            return self._without(raw, (), found)
        except msgspec.DecodeError:
            return raw  # who shapes it says what is wrong

    def _without(self, raw: msgspec.Raw, way: Way, found: _Found) -> msgspec.Raw:
        """The value without the lists that are taken out of it."""
        match bytes(raw).lstrip(_SPACE)[:1]:
            case b"{":
                return self._object(raw, way, found)
            case b"[":
                items = [self._without(item, way, found) for item in _ITEMS.decode(raw)]
                return msgspec.Raw(msgspec.json.encode(items))
            case _:
                return raw

    def _object(self, raw: msgspec.Raw, way: Way, found: _Found) -> msgspec.Raw:
        fields = _FIELDS.decode(raw)
        changed = False
        for key, value in list(fields.items()):
            here = (*way, *identifier(key, self._longest).split(SEPARATOR))
            if here not in self._begun:
                continue
            changed = True
            if here in self._targets and bytes(value).lstrip(_SPACE)[:1] == b"[":
                del fields[key]
                found.setdefault(self._targets[here], []).extend(_elements(value))
            else:
                fields[key] = self._without(value, here, found)
        return msgspec.Raw(msgspec.json.encode(fields)) if changed else raw


def below(block: Block, names: Mapping[str, str]) -> Block:
    """A block whose rows name those that they are from by the ids that these got instead."""
    return msgspec.structs.replace(
        block,
        segments=tuple(
            msgspec.structs.replace(one, roots=[names.get(root, root) for root in one.roots])
            for one in block.segments
        ),
    )


def _drawn(count: int) -> Sequence[str]:
    from penstock.shape.dlt_ids import by_chance  # noqa: PLC0415 (pyarrow is loaded when rows come)

    found: list[str] = by_chance(count).to_pylist()
    return found


def _elements(items: msgspec.Raw) -> Iterator[msgspec.Raw]:
    """The elements of a list as records, as a child table would have them."""
    for item in _ITEMS.decode(items):
        match bytes(item).lstrip(_SPACE)[:1]:
            case b"{":
                yield item
            case b"[":
                yield msgspec.Raw(msgspec.json.encode({LIST: item}))
            case _:
                yield msgspec.Raw(msgspec.json.encode({VALUE: item}))
