"""Bytes to records: the envelope is read once, records stay the slices of text they came as."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise, takewhile, zip_longest
from operator import attrgetter
from typing import Any, TypeAlias, TypeVar, assert_never

import msgspec

from penstock.errors import BodyError
from penstock.patterns import pattern
from penstock.plan import jsontext
from penstock.plan.decoder import Decoder
from penstock.plan.expr import JsonValue, Ref
from penstock.plan.paths import find, is_pattern
from penstock.plan.python import Extract
from penstock.plan.records import DetectRecords, Glob, JsonPath, Keys, RecordPath, Several
from penstock.plan.transforms import Expand, expand
from penstock.read import mend
from penstock.read.transport import MAX_BODY

RawRecord: TypeAlias = "bytes | msgspec.Raw"
_EXCERPT = 200
_LONG_JSON = 4 * 1024 * 1024  # bytes; some 10 ms
_LONG = 64 * 1024  # bytes; the same for CSV, and where they unpack to many times as many
_T = TypeVar("_T")


class Decoded(msgspec.Struct, frozen=True, kw_only=True):
    """An answer taken apart: `records` as JSON texts, `envelope` the values that were asked for.

    `present` is false where the record path is not in the answer. `single` says that the path held
    one object rather than a list. `mended` counts what was replaced in the answer, by code.
    """

    records: Sequence[RawRecord]
    envelope: JsonValue
    present: bool = True
    single: bool = False
    mended: Mapping[str, int] = {}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What to take from an answer: the records, and the `paths` pagination reads.

    `whole` asks for the envelope with everything in it, for expressions that no path can say.
    A body may unpack to `most` bytes.
    """

    records: RecordPath
    paths: tuple[tuple[str, ...], ...] = ()
    whole: bool = False
    most: int = MAX_BODY


def wanted(records: RecordPath, reads: Iterable[Ref], most: int = MAX_BODY) -> Wanted:
    """What `reads`, references into a page, need of an answer that unpacks to `most` bytes."""
    paths: set[tuple[str, ...]] = set()
    whole = False
    for ref in reads:
        if not ref.path or ref.path[0] != "response":
            continue
        inner = ref.path[1:]
        keys = tuple(step for step in inner if isinstance(step, str))
        if not inner or len(keys) != len(inner):
            whole = True
        else:
            paths.add(keys)
    if isinstance(records, Keys) and records.path:
        at = records.path
        whole = whole or any(p[: len(at)] == at or at[: len(p)] == p for p in paths)
    return Wanted(records=records, paths=tuple(sorted(paths)), whole=whole, most=most)


def takes_long(decoder: Decoder, size: int) -> bool:
    """Whether a body of so many bytes takes longer to decode than others can wait for it."""
    return size > (_LONG_JSON if _is_plain(decoder) else _LONG)


def _is_plain(decoder: Decoder) -> bool:
    return decoder.format == "json" and not (decoder.gzip or decoder.zip or decoder.items)


def decode(body: bytes, decoder: Decoder, want: Wanted) -> Decoded:
    """The records and the envelope of an answer.

    Raises:
        BodyError: the body is not what the decoder takes; it may be worth asking again.
    """
    if _is_plain(decoder):
        return decode_json(body, want)
    from penstock.read import formats  # noqa: PLC0415 (few streams are not plain JSON)

    return formats.decode(body, decoder, want)


def decode_json(body: bytes, want: Wanted) -> Decoded:
    """The records and the envelope of a JSON answer.

    Raises:
        BodyError: it is not JSON, even where what is odd in it is replaced.
    """
    path = want.records
    plain = isinstance(path, Keys) and not want.whole and _typeable((path.path, *want.paths))

    def parse(text: bytes) -> Decoded:
        if isinstance(path, Keys) and plain:
            return _typed(text, path, want.paths)
        return walked(text, path)

    decoded, counts = _mending(body, parse, _field_level(path))
    return msgspec.structs.replace(decoded, mended=counts) if counts else decoded


def _field_level(path: RecordPath) -> int:
    """How many brackets are open around a value that nests in a field of a record."""
    return 3 + len(path.path) if isinstance(path, Keys) else _USUAL_LEVEL


_USUAL_LEVEL = 4  # {"data": [{"field": [


def _mending(
    body: bytes, parse: Callable[[bytes], _T], level: int = _USUAL_LEVEL
) -> tuple[_T, Mapping[str, int]]:
    """What `parse` makes of a body; one that it refuses is mended first."""
    if not body.strip():
        raise undecodable(body, "the body is empty")
    first = mend.text(body)
    try:
        return parse(first.body), first.counts
    except (msgspec.DecodeError, RecursionError) as exc:
        why = str(exc)
    second = mend.values(first.body, level)
    if second.body == first.body:
        raise undecodable(body, why)
    try:
        return parse(second.body), first.counts + second.counts
    except (msgspec.DecodeError, RecursionError):
        raise undecodable(body, why) from None


# What answers with a page for people is most often no API, or asks for a login.
_PAGE = "check the base URL, the path and the credentials: an API that is asked rightly sends none"


def undecodable(body: bytes, why: str, what: str = "JSON") -> BodyError:
    """The error for a body that is not what it should be."""
    text = jsontext.beginning(body, _EXCERPT).strip()
    if "(byte " not in why:
        why = f"{why} (byte {len(body)})"  # what is cut ends where it is cut
    html = text[:1] == "<" and what != "XML"
    kind = "an HTML page" if html else f"not {what}"
    seen = f"; it begins {text!r}" if text else ""
    message = f"the answer is {kind}: {why}{seen}"
    error = BodyError(message, code="undecodable", hint=_PAGE if html else None)
    error.retriable = True
    return error


def _typed(body: bytes, where: Keys, paths: tuple[tuple[str, ...], ...]) -> Decoded:
    """Reads just the wanted places, with a generated type; falls back where they are of another."""
    path = where.path
    if not path and body.lstrip()[:1] == b"[":
        return Decoded(records=_RAW_LIST.decode(body), envelope=[])
    reader = _envelope_reader(path, paths)
    try:
        top = reader.decode(body)
    except msgspec.ValidationError:
        return walked(body, where)
    if not path and where.each:
        return walked(body, where)
    envelope = reader.values(top)
    if not path:
        return Decoded(records=(msgspec.Raw(body),), envelope=envelope, single=True)
    present, records = reader.records(top)
    return Decoded(records=records, envelope=envelope, present=present)


def walked(body: bytes, path: RecordPath) -> Decoded:
    """Read the whole answer as objects; records are taken as slices where the path is plain."""
    whole = jsontext.decode(body)
    match path:
        case Keys():
            return _keyed(body, whole, path)
        case JsonPath():
            return _found(whole, path.text)
        case Glob():
            return _globbed(whole, path)
        case Several():
            return _several(body, whole, path)
        case DetectRecords() | Extract():
            raise AssertionError("the records are found before an answer is decoded")
        case _:
            assert_never(path)


def _keyed(body: bytes, whole: JsonValue, path: Keys) -> Decoded:
    raw = msgspec.Raw(body)
    for key in path.path:
        try:
            raw = _RAW_DICT.decode(raw)[key]
        except (msgspec.ValidationError, KeyError):  # no object, or one without the key
            return Decoded(records=(), envelope=whole, present=False)
    if path.each and bytes(raw).lstrip()[:1] not in _LIST_OR_NULL:
        return _each(raw, whole)
    records, single = split(raw)
    return Decoded(records=records, envelope=whole, single=single)


_LIST_OR_NULL = frozenset({b"[", b"n"})


def _each(raw: RawRecord, whole: JsonValue) -> Decoded:
    """The values of an object as records; a single one is unwrapped, as at a JSONPath."""
    try:
        values = list(_RAW_DICT.decode(raw).values())
    except msgspec.ValidationError:  # it is a plain value
        return Decoded(records=(), envelope=whole, present=False)
    records = split(values[0])[0] if len(values) == 1 else values
    return Decoded(records=records, envelope=whole)


def whole_json(body: bytes) -> JsonValue:
    """The whole of a JSON answer, as objects.

    Raises:
        BodyError: it is not JSON.
    """
    value, _ = _mending(body, jsontext.decode)
    return value


def rows_at(value: JsonValue, depth: int = 3) -> Iterator[str]:
    """The paths of an answer's lists of objects: rows that a record path may miss."""
    if isinstance(value, list):
        if any(isinstance(item, dict) for item in value):
            yield "$"
    elif isinstance(value, dict) and depth:
        for key, inner in value.items():
            yield from (f"{key}.{path}".removesuffix(".$") for path in rows_at(inner, depth - 1))


def misplaced(path: RecordPath, places: Iterable[str]) -> str:
    """Say that the records of a document are not where it says, and where some are."""
    said = f"the record path {path_text(path)!r} is in none of the answers"
    there = " and ".join(map(repr, places))
    return f"{said}, but there are records at {there}" if there else said


def path_text(path: RecordPath) -> str:
    """A record path as documents write it."""
    match path:
        case Keys() | Glob():
            return ".".join(path.path) or "$"
        case JsonPath():
            return path.text
        case Several():
            return " or ".join(map(path_text, path.paths))
        case DetectRecords():
            return "(detected)"
        case Extract():
            return f"(taken by {path.name})"
        case _:
            assert_never(path)


def split(raw: RawRecord) -> tuple[Sequence[RawRecord], bool]:
    """The records in a value: the items of a list, one for anything else, none for null."""
    text = bytes(raw).lstrip()
    if text[:1] == b"[":
        return _RAW_LIST.decode(text), False
    if text == b"null":
        return (), False
    return (text,), True


def is_object(record: RawRecord) -> bool:
    """Whether a record, without space in front, is an object."""
    return bytes(record[:1] if isinstance(record, bytes) else memoryview(record)[:1]) == b"{"


def object_records(decoded: Decoded) -> Sequence[RawRecord]:
    """The records, all of them objects; one that stands alone and is empty is none.

    Raises:
        BodyError: there are others.
    """
    records = decoded.records
    if decoded.single and len(records) == 1 and bytes(records[0]).strip() in _NOTHING:
        return ()
    for record in records:
        if not is_object(record):
            text = jsontext.beginning(bytes(record), _EXCERPT)
            raise BodyError(f"a record is no object: {text}", code="record-not-object")
    return records


_NOTHING = frozenset({b"{}", b'""', b"0", b"0.0", b"false", b"null"})


def _found(whole: JsonValue, text: str) -> Decoded:
    """Records at a JSONPath: one match is unwrapped, a list is its items, null is nothing."""
    matches = _json_path(text)(whole)
    value: JsonValue = matches[0] if len(matches) == 1 else list(matches)
    if value is None:
        items: Sequence[JsonValue] = ()
    else:
        items = value if isinstance(value, (list, tuple)) else (value,)
    present = bool(matches) or any(is_vacant(whole) for is_vacant in _places(text))
    records = [jsontext.encode(item) for item in items]
    return Decoded(records=records, envelope=whole, present=present)


@lru_cache(maxsize=256)
def _json_path(text: str) -> Callable[[JsonValue], list[JsonValue]]:
    return _values_of(_parsed(text))


def _parsed(text: str) -> Any:
    from jsonpath_ng import ext  # noqa: PLC0415 (few paths need it, and it is slow to load)

    return ext.parse(text)  # type: ignore[attr-defined]  # it is not listed, but public


def _values_of(expression: Any) -> Callable[[JsonValue], list[JsonValue]]:
    return lambda value: [match.value for match in expression.find(value)]


@lru_cache(maxsize=256)
def _places(text: str) -> tuple[Callable[[JsonValue], bool], ...]:
    """Of each place that a JSONPath takes items of: whether it is there, with none to take.

    A list without items, or one of which a filter, a slice or an index takes none, holds no record;
    but it is not missing, as a key would be that got another name.
    """
    found: list[Callable[[JsonValue], bool]] = []
    expression = _parsed(text)
    while hasattr(expression, "left"):
        kind = type(expression.right).__name__
        every = kind == "Wildcard" or str(expression.right) == "*"
        if every or kind in {"Filter", "Index", "Slice"}:
            found.append(_vacant(_values_of(expression.left), some=not every))
        expression = expression.left
    return tuple(found)


def _vacant(
    place: Callable[[JsonValue], list[JsonValue]], *, some: bool
) -> Callable[[JsonValue], bool]:
    """Whether a place holds no items, or with `some` only items that are not meant."""
    return lambda value: any(
        not held or (some and isinstance(held, (list, tuple)))
        for held in place(value)
        if held is None or isinstance(held, (list, tuple, dict))
    )


def find_values(path: Keys | JsonPath | Glob, value: JsonValue) -> list[JsonValue]:
    """All values at `path` of a decoded value.

    Raises:
        BodyError: a pattern, which stands for one value, fits several.
    """
    if isinstance(path, JsonPath):
        return _json_path(path.text)(value)
    if isinstance(path, Glob):
        found = list(find(value, path.path))
        if len(found) > 1:
            raise BodyError(f"several values stand at {path_text(path)!r}, where one is wanted")
        return found
    for key in path.path:
        if not isinstance(value, dict) or key not in value:
            return []
        value = value[key]
    return [value]


def _globbed(whole: JsonValue, path: Glob) -> Decoded:
    """Records at a pattern; where the answer is a list, the pattern is tried on each item."""
    tops = whole if isinstance(whole, list) else [whole]
    matches = [match for top in tops for match in find(top, path.path)]
    items: list[JsonValue] = []
    for match in matches:
        if isinstance(match, (list, tuple)):
            items += match
        elif match not in (None, {}):
            items.append(match)
    encoded = [jsontext.encode(item) for item in items]
    # An empty list where any item would do is the place of the records, with none in it.
    before = tuple(takewhile(lambda key: not is_pattern((key,)), path.path))
    present = bool(matches) or (before != path.path and any(find(top, before) for top in tops))
    return Decoded(records=encoded, envelope=whole, present=present)


def _several(body: bytes, whole: JsonValue, path: Several) -> Decoded:
    """Records of several paths: of all in order, or of the first that has any."""
    records: list[RawRecord] = []
    present = False
    for one, spread in zip_longest(path.paths, path.spreads):
        found = walked(body, one)
        present = present or found.present
        taken = found.records if spread is None else spread_out([spread], found.records)
        records += [r for r in taken if not (path.skip_empty and bytes(r) in _EMPTY)]
        if records and path.mode == "first":
            break
    return Decoded(records=records, envelope=whole, present=present)


def spread_out(spreads: Iterable[Expand], records: Sequence[RawRecord]) -> list[RawRecord]:
    """The records that each record holds, and those that these hold, for each of `spreads`."""
    found: list[JsonValue] = [jsontext.decode(record) for record in records]
    for spread in spreads:
        found = [inner for one in found for inner in expand(spread, one)]
    return [jsontext.encode(one) for one in found]


_EMPTY = frozenset({b"{}", b"null", b"[]", b'""'})
_RAW_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_RAW_DICT = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Envelope:
    """A generated type with just the wanted places of an answer, and how to read them out."""

    def __init__(self, path: tuple[str, ...], paths: tuple[tuple[str, ...], ...]) -> None:
        tree: dict[str, Any] = {}
        for keys in paths:
            _grow(tree, keys, _LEAF)
        if path:
            _grow(tree, path, _RECORDS)
        self._path = path
        self._tree = tree
        self._decoder: msgspec.json.Decoder[object] = msgspec.json.Decoder(_struct(tree))

    def decode(self, body: bytes) -> object:
        """The top of the answer, as the generated type."""
        return self._decoder.decode(body)

    def values(self, top: object) -> JsonValue:
        """The wanted values that are there, nested as in the answer."""
        return _values(top, self._tree)

    def records(self, top: object) -> tuple[bool, Sequence[RawRecord]]:
        """Whether the record path is there, and its records."""
        value: Any = top
        tree = self._tree
        for key in self._path:
            if value is None or value is msgspec.UNSET:
                return False, ()
            value = getattr(value, _name(tree, key))
            tree = tree[key]
        if value is msgspec.UNSET:
            return False, ()
        return True, value or ()


_LEAF = "leaf"
_RECORDS = "records"


def _grow(tree: dict[str, Any], keys: tuple[str, ...], end: str) -> None:
    for key in keys[:-1]:
        inner = tree.setdefault(key, {})
        if not isinstance(inner, dict):
            return  # the whole of it is taken already
        tree = inner
    tree.setdefault(keys[-1], end)


def _name(tree: dict[str, Any], key: str) -> str:
    return f"f{list(tree).index(key)}"


def _struct(tree: dict[str, Any]) -> type:
    fields: list[tuple[str, Any, Any]] = []
    for index, inner in enumerate(tree.values()):
        if isinstance(inner, dict):
            kind: Any = _struct(inner) | None | msgspec.UnsetType
        elif inner == _RECORDS:
            kind = list[msgspec.Raw] | None | msgspec.UnsetType
        else:
            kind = Any
        fields.append((f"f{index}", kind, msgspec.UNSET))
    rename = {f"f{index}": key for index, key in enumerate(tree)}
    return msgspec.defstruct("Envelope", fields, rename=rename, gc=False)


def _values(struct: Any, tree: dict[str, Any]) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {}
    for index, (key, inner) in enumerate(tree.items()):
        value = getattr(struct, f"f{index}")
        if value is msgspec.UNSET or inner == _RECORDS:
            continue
        nested = isinstance(inner, dict) and value is not None
        found[key] = _values(value, inner) if nested else value
    return found


@lru_cache(maxsize=512)
def _envelope_reader(path: tuple[str, ...], paths: tuple[tuple[str, ...], ...]) -> _Envelope:
    return _Envelope(path, paths)


# What no generated type can call a field.
_ODD_KEY = pattern(r'[\\"\x00-\x1f\ud800-\udfff]')


def _typeable(paths: Iterable[tuple[str, ...]]) -> bool:
    """Whether a type can be generated that has these paths."""
    return not any(_ODD_KEY.search(key) for path in paths for key in path)


def _inside_one_another(paths: Iterable[tuple[str, ...]]) -> bool:
    """Whether one of the paths leads into the value of another: no one type can hold both."""
    distinct = sorted(set(paths))
    # In sorted order whatever begins with a path stands right behind it.
    return any(b[: len(a)] == a for a, b in pairwise(distinct))


Found: TypeAlias = "JsonValue | msgspec.UnsetType"


class FieldReader:
    """Reads a few fields of raw records without making objects of the rest."""

    def __init__(self, paths: Sequence[Keys | JsonPath | Glob]) -> None:
        self._paths = tuple(paths)
        keys = tuple(p.path for p in paths if isinstance(p, Keys) and p.path)
        plain = len(keys) == len(self._paths) and not _inside_one_another(keys)
        plain = plain and _typeable(keys)
        self._typed = _rows_reader(keys) if plain else None

    def read(self, records: Sequence[RawRecord]) -> list[tuple[Found, ...]]:
        """For each record the value at each path: the first match, or UNSET where there is none."""
        if self._typed is not None:
            try:
                return self._typed(records)
            except msgspec.ValidationError:
                pass  # a scalar where a path goes on, or a record that is no object: read it whole
        return [self._read_whole(record) for record in records]

    def _read_whole(self, record: RawRecord) -> tuple[Found, ...]:
        whole = jsontext.decode(record, str)
        matches = (find_values(path, whole) for path in self._paths)
        return tuple(found[0] if found else msgspec.UNSET for found in matches)


@lru_cache(maxsize=512)
def _rows_reader(
    keys: tuple[tuple[str, ...], ...],
) -> Callable[[Sequence[RawRecord]], list[tuple[Found, ...]]]:
    """A function that reads the plain paths `keys` of many records in one pass."""
    tree: dict[str, Any] = {}
    for path in keys:
        _grow(tree, path, _LEAF)
    decoder = msgspec.json.Decoder(list[_struct(tree)])  # type: ignore[misc]  # generated type
    getters = [_getter(tree, path) for path in keys]

    def read(records: Sequence[RawRecord]) -> list[tuple[Found, ...]]:
        rows = decoder.decode(b"[" + b",".join(records) + b"]")
        return list(zip(*(map(get, rows) for get in getters), strict=True))

    return read


def _getter(tree: dict[str, Any], path: tuple[str, ...]) -> Callable[[object], Found]:
    names: list[str] = []
    for key in path:
        names.append(_name(tree, key))
        tree = tree[key]
    if len(names) == 1:
        return attrgetter(names[0])

    def get(row: object) -> Found:
        value: Any = row
        for name in names:
            if value is None or value is msgspec.UNSET:
                return msgspec.UNSET
            value = getattr(value, name)
        return value  # type: ignore[no-any-return]  # what the generated type holds

    return get
