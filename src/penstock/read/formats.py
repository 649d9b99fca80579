"""Bodies that are not one JSON value: packed, line by line, CSV, XML."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest

import msgspec

from penstock.errors import CapError
from penstock.patterns import pattern
from penstock.plan import jsontext
from penstock.plan.decoder import Decoder
from penstock.plan.expr import JsonValue
from penstock.plan.records import Keys
from penstock.read.decode import Decoded, RawRecord, Wanted, decode_json, undecodable, walked
from penstock.read.transport import LARGER, MAX_BODY

_GZIP = b"\x1f\x8b"
_ENTITY = b"<!ENTITY"
_MARK = "\ufeff"  # of a text's byte order, which spreadsheets put before the first name
_ROOT = Keys()
_UNNAMED = "null"  # as JSON names what has no name: the list of fields beyond the header's
_PAGE = pattern(rb"\s*<(?:!doctype\s+)?html\b", re.IGNORECASE)


def unpacked(body: bytes, decoder: Decoder, most: int = MAX_BODY) -> Iterator[bytes]:
    """The body without its packing; the members of a zip one by one, of `most` bytes in all.

    Raises:
        BodyError: the packing is broken.
        CapError: it unpacks to more than a run can take.
    """
    if decoder.gzip and body[:2] == _GZIP:
        inner = msgspec.structs.replace(decoder, gzip=False)
        yield from unpacked(_gunzip(body, most), inner, most)
    elif decoder.zip:
        inner = msgspec.structs.replace(decoder, zip=False)
        for member in _unzip(body, most):
            yield from unpacked(member, inner, most)
    else:
        yield body


def _gunzip(body: bytes, most: int) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as packed:
            return _capped(packed.read(most + 1), most, most)
    except (OSError, EOFError, zlib.error) as exc:
        raise undecodable(body[:0], str(exc), "gzip") from exc


def _unzip(body: bytes, most: int) -> Iterator[bytes]:
    """The files of an archive, one by one; all of them together are bounded."""
    with _readable():
        archive = zipfile.ZipFile(io.BytesIO(body))
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
    left = most
    for name in names:
        with _readable(), archive.open(name) as member:
            data = member.read(left + 1)
        left -= len(_capped(data, left, most))
        yield data


@contextmanager
def _readable() -> Iterator[None]:
    """One error for all that a damaged archive, or one that nobody unpacks, is to the library."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as exc:
        raise undecodable(b"", str(exc), "a zip archive that can be read") from exc


def _capped(data: bytes, left: int, most: int) -> bytes:
    if len(data) > left:
        message = f"the answer unpacks to more than {most:,} bytes"
        raise CapError(message, code="body-too-large", hint=LARGER)
    return data


def decode(body: bytes, decoder: Decoder, want: Wanted) -> Decoded:
    """The records of a body that is packed or not one JSON value.

    Raises:
        BodyError: it is not what the decoder takes.
    """
    records: list[RawRecord] = []
    envelope: JsonValue = {}
    present = True
    for part in unpacked(body, decoder, want.most):
        if decoder.format == "json" and not decoder.items:
            decoded = decode_json(part, want)
            records += decoded.records
            envelope, present = decoded.envelope, present and decoded.present
            continue
        for value in _values(part, decoder):
            records += _taken(part, value, decoder, want)
        if decoder.format == "xml":
            envelope = next(iter(_values(part, decoder)), {})
    return Decoded(records=records, envelope=envelope, present=present)


def _taken(part: bytes, value: JsonValue, decoder: Decoder, want: Wanted) -> Sequence[RawRecord]:
    """The records in a value."""
    try:
        text = jsontext.encode(value)
        if isinstance(value, dict) and want.records == _ROOT:
            return (text,)  # as nearly all rows are
        path = want.records
        if isinstance(path, Keys) and decoder.format == "xml":  # of one element there is no list
            path = Keys(path=path.path)
        return walked(text, path).records
    except (msgspec.DecodeError, UnicodeEncodeError) as exc:
        raise undecodable(part, str(exc), decoder.format.upper()) from exc
    except RecursionError:
        why = "it is nested too deeply to be read"
        raise undecodable(part, why, decoder.format.upper()) from None


def _values(body: bytes, decoder: Decoder) -> Iterator[JsonValue]:
    match decoder.format:
        case "jsonl":
            yield from _json_lines(body)
        case "csv":
            yield from _csv(body, decoder)
        case "xml":
            yield _xml(body)
        case "lines":
            for line in _text(body, decoder).splitlines():
                yield {"record": line}
        case "json":
            yield from _items(body, decoder)


def _text(body: bytes, decoder: Decoder) -> str:
    try:
        return body.decode(decoder.encoding, "replace").removeprefix(_MARK)
    except UnicodeError as exc:  # some encodings have nothing to put in place of what is wrong
        raise undecodable(body, str(exc), "text") from exc


def _json_lines(body: bytes) -> Iterator[JsonValue]:
    for line in body.removeprefix(codecs.BOM_UTF8).splitlines():
        if line.strip():
            try:
                yield jsontext.decode(line)
            except msgspec.DecodeError as exc:
                raise undecodable(line, f"a line is {exc}") from exc


def _csv(body: bytes, decoder: Decoder) -> Iterator[JsonValue]:
    if _PAGE.match(body):
        raise undecodable(body, "there is no table in it", "CSV")
    csv.field_size_limit(2**31 - 1)  # no field is longer than a body
    try:
        text = body.decode(decoder.encoding).removeprefix(_MARK)
        # Lines end as they do in the body, which a field in quotes may rightly hold.
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=decoder.separator)
        names = next(rows, [])
        for row in filter(None, rows):
            yield _row(names, row, decoder.nulls)
    except (UnicodeError, csv.Error) as exc:
        raise undecodable(body, str(exc), "CSV") from exc


def _row(names: list[str], row: list[str], nulls: Sequence[str]) -> dict[str, JsonValue]:
    values = [None if value in nulls else value for value in row] if nulls else row
    if len(names) == len(values):
        return dict(zip(names, values, strict=True))
    taken: dict[str, JsonValue] = dict(zip_longest(names, values[: len(names)]))
    if len(row) > len(names):
        taken[_UNNAMED] = list[JsonValue](row[len(names) :])
    return taken


def _xml(body: bytes) -> JsonValue:
    from xml.parsers.expat import ExpatError  # noqa: PLC0415 (few APIs speak XML)

    import xmltodict  # noqa: PLC0415 (few APIs speak XML)

    if _ENTITY in body:  # the library's versions differ: some leave the values out in silence
        raise undecodable(body, "it declares entities, which are not expanded", "XML")
    try:
        value: JsonValue = xmltodict.parse(body)
    except (ExpatError, LookupError, ValueError) as exc:
        raise undecodable(body, str(exc), "XML") from exc
    return value


def _items(body: bytes, decoder: Decoder) -> Iterator[JsonValue]:
    try:
        whole = jsontext.decode(body)
    except msgspec.DecodeError as exc:
        raise undecodable(body, str(exc)) from exc
    yield from _reached(whole, (*decoder.items, "item"))


def _reached(value: JsonValue, path: tuple[str, ...]) -> Iterator[JsonValue]:
    """What a path leads to, through all items of a list where it says `item`."""
    if not path:
        yield value
    elif path[0] == "item" and isinstance(value, list):
        for inner in value:
            yield from _reached(inner, path[1:])
    elif isinstance(value, dict) and path[0] in value:
        yield from _reached(value[path[0]], path[1:])
