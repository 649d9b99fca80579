"""Records: extractors, expanders, filters, transformations, decoders."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from typing import Any

from tests.parity.airbyte.build import case, stream
from tests.parity.airbyte.harness import Case, Reply

_RECORD = {
    "id": 1,
    "Name": "x",
    "nested": {"a": 1, "b": {"c": [1, 2]}},
    "tags": [{"k": "v"}, {"k": "w"}],
    "empty": "",
    "none": None,
    "num": "12",
    "aB": {"cD": 1},
    "HTTPCode": 3,
    "x1y2": 4,
    "price": 1.5,
}


def _case(
    name: str, body: Any = None, at: tuple[str, ...] = ("data",), *, changes: Any = (), **parts: Any
) -> Case:
    more = {k: parts.pop(k) for k in ("selects", "retrieves", "schema_loader") if k in parts}
    if "extractor" in parts:
        more["selects"] = {**more.get("selects", {}), "extractor": parts.pop("extractor")}
    made = stream(at=at, transformations=list(changes), **more)
    return case(name, made, replies=[{"data": [_RECORD]} if body is None else body], **parts)


_BODIES = {
    "list": ([{"id": 1}, {"id": 2}], ()),
    "object": ({"id": 1}, ()),
    "empty object": ({}, ()),
    "empty list": ([], ()),
    "null": (None, ("data",)),
    "deep": ({"a": {"b": [{"id": 1}]}}, ("a", "b")),
    "missing": ({"a": 1}, ("data",)),
    "missing deep": ({"a": {"x": 1}}, ("a", "b")),
    "null at path": ({"data": None}, ("data",)),
    "object at path": ({"data": {"id": 1}}, ("data",)),
    "empty object at path": ({"data": {}}, ("data",)),
    "text at path": ({"data": "text"}, ("data",)),
    "empty text at path": ({"data": ""}, ("data",)),
    "numbers": ({"data": [1, 2]}, ("data",)),
    "nulls": ({"data": [None]}, ("data",)),
    "star": ({"a": {"x": {"id": 1}, "y": {"id": 2}}}, ("a", "*")),
    "star deep": ({"a": [{"b": {"id": 1}}, {"b": {"id": 2}}]}, ("a", "*", "b")),
    "star missing": ({"b": 1}, ("a", "*")),
    "index": ({"a": [[{"id": 1}], [{"id": 2}]]}, ("a", "1")),
    "list body with path": ([{"data": [{"id": 1}]}, {"data": [{"id": 2}]}, {"x": 1}], ("data",)),
    "big numbers": ({"data": [{"id": 12345678901234567890, "f": 1.10}]}, ("data",)),
    "unicode": ({"data": [{"id": "ü \u2028 \U0001f600"}]}, ("data",)),
}
_EXTRACTED = [
    _case(f"records in {n}", body if body is not None else Reply(body="null"), at)
    for n, (body, at) in _BODIES.items()
]


def _expander(name: str, body: Any, **parts: Any) -> Case:
    expands = {"type": "RecordExpander", "expand_records_from_field": ["items"], **parts}
    return _case(
        f"expander {name}",
        body,
        extractor={"type": "DpathExtractor", "field_path": ["data"], "record_expander": expands},
    )


_PARENTS = {
    "data": [
        {"id": 1, "n": {"x": 5}, "items": [{"i": 1}, {"i": 2}]},
        {"id": 2, "items": []},
        {"id": 3},
        {"id": 4, "items": ["s"]},
    ]
}
_EXPANDED = [
    _expander("plain", {"data": [{"id": 1, "items": [{"i": 1}, {"i": 2}]}]}),
    _expander("nothing", _PARENTS | {"data": _PARENTS["data"][:3]}),
    _expander("original", _PARENTS, remain_original_record=True),
    _expander(
        "emit parent", _PARENTS | {"data": _PARENTS["data"][:3]}, on_no_records="emit_parent"
    ),
    _expander("merge parent", _PARENTS, merge_parent=True),
]

_CONDITIONS = {
    "id": "{{ record.id == 1 }}",
    "missing": "{{ record.gone }}",
    "missing deep": "{{ record.gone.deep }}",
    "compare": "{{ record['price'] > 1 }}",
    "text": "{{ record.Name }}",
    "no": "no",
    "false": "{{ false }}",
    "in": "{{ record.id in [1, 3] }}",
    "config": "{{ record.id >= config.least }}",
    "times": "{{ str_to_datetime('2024-01-01') < now_utc() }}",
    "token": "{{ next_page_token is none }}",
}
_FILTERED = [
    _case(
        f"filter {n}",
        selects={"record_filter": {"type": "RecordFilter", "condition": c}},
        config={"least": 1},
    )
    for n, c in _CONDITIONS.items()
]


def _add(value: Any, path: tuple[str, ...] = ("new",), **parts: Any) -> dict[str, Any]:
    field = {
        "type": "AddedFieldDefinition",
        "path": list(path),
        "value": value,
        **{k: v for k, v in parts.items() if k == "value_type"},
    }
    return {
        "type": "AddFields",
        "fields": [field],
        **{k: v for k, v in parts.items() if k != "value_type"},
    }


_ADDED = {
    "constant": _add("text"),
    "number": _add("5"),
    "float": _add("1.10"),
    "date": _add("2024-01-01"),
    "padded": _add("0012"),
    "field": _add("{{ record.Name }}"),
    "nested": _add("{{ record.nested.b.c[1] }}"),
    "missing": _add("{{ record.gone }}"),
    "none": _add("{{ none }}"),
    "null": _add("{{ record.none }}"),
    "object": _add("{{ record.nested }}"),
    "list": _add("{{ record.tags }}"),
    "deep path": _add("x", ("a", "b", "c")),
    "into object": _add("x", ("nested", "z")),
    "list path": _add("x", ("l", "2")),
    "config": _add("{{ config.name }}"),
    "as string": _add("{{ record.id }}", value_type="string"),
    "as number": _add("{{ record.id }}", value_type="number"),
    "as integer": _add("{{ record.num }}", value_type="integer"),
    "as boolean": _add("{{ record.id == 1 }}", value_type="boolean"),
    "condition": _add("y", condition="{{ record.id == 2 }}"),
    "condition true": _add("y", condition="{{ record.id == 1 }}"),
    "condition value": _add("{{ record.gone }}", condition="{{ value }}"),
    "bool": _add("{{ record.id == 1 }}"),
    "concat": _add("{{ record.id }}-{{ record.Name }}"),
    "under a scalar": _add("x", ("Name", "deep")),
    "overwrite": _add("{{ record.id + 1 }}", ("id",)),
    "empty": _add(""),
    "now": _add("{{ now_utc().strftime('%s') | int }}"),
}
_CHANGED = {
    "remove": {"type": "RemoveFields", "field_pointers": [["Name"], ["nested", "a"]]},
    "remove glob": {"type": "RemoveFields", "field_pointers": [["tags", "*", "k"]]},
    "remove everywhere": {"type": "RemoveFields", "field_pointers": [["**", "k"]]},
    "remove index": {"type": "RemoveFields", "field_pointers": [["tags", "0"]]},
    "remove missing": {"type": "RemoveFields", "field_pointers": [["gone", "x"]]},
    "remove where": {
        "type": "RemoveFields",
        "field_pointers": [["Name"], ["num"]],
        "condition": "{{ property == 'x' }}",
    },
    "lower": {"type": "KeysToLower"},
    "snake": {"type": "KeysToSnakeCase"},
    "replace": {"type": "KeysReplace", "old": "a", "new": "_"},
    "flatten": {"type": "FlattenFields"},
    "flatten without lists": {"type": "FlattenFields", "flatten_lists": False},
    "flatten at": {"type": "DpathFlattenFields", "field_path": ["nested"]},
    "flatten at, delete": {
        "type": "DpathFlattenFields",
        "field_path": ["nested"],
        "delete_origin_value": True,
    },
    "flatten at, replace": {
        "type": "DpathFlattenFields",
        "field_path": ["nested"],
        "replace_record": True,
    },
    "flatten at, prefix": {
        "type": "DpathFlattenFields",
        "field_path": ["nested"],
        "key_transformation": {"type": "KeyTransformation", "prefix": "p_"},
    },
}
_TRANSFORMED = [
    *(_case(f"add {n}", changes=[c], config={"name": "n"}) for n, c in _ADDED.items()),
    *(_case(f"change {n}", changes=[c]) for n, c in _CHANGED.items()),
    _case(
        "several changes",
        changes=[_ADDED["config"], _CHANGED["lower"], _CHANGED["remove"]],
        config={"name": "n"},
    ),
    _case(
        "filter, then change",
        changes=[_add("9", ("id",))],
        selects={"record_filter": {"type": "RecordFilter", "condition": "{{ record.id == 1 }}"}},
    ),
    _case(
        "change, then filter",
        changes=[_add("9", ("id",))],
        selects={
            "transform_before_filtering": True,
            "record_filter": {"type": "RecordFilter", "condition": "{{ record.id == 1 }}"},
        },
    ),
]
_TYPES = {
    "id": "string",
    "num": "integer",
    "price": "integer",
    "Name": "number",
    "none": "string",
    "tags": "array",
    "empty": "boolean",
}
_NORMALIZED = [
    _case(
        "normalized",
        selects={"schema_normalization": "Default"},
        schema_loader={
            "type": "InlineSchemaLoader",
            "schema": {
                "type": "object",
                "properties": {k: {"type": ["null", v]} for k, v in _TYPES.items()},
            },
        },
    ),
]


def _zip(**members: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return held.getvalue()


def _decoded(name: str, decoder: dict[str, Any], body: bytes, at: tuple[str, ...] = ()) -> Case:
    return _case(f"decoder {name}", Reply(body=body), at, retrieves={"decoder": decoder})


_CSV, _JSONL = b'a,b\n1,"x, y"\n,z\n', b'{"id": 1}\n{"id": 2}\n'
_DECODED = [
    _decoded("jsonl", {"type": "JsonlDecoder"}, _JSONL),
    _decoded("csv", {"type": "CsvDecoder"}, _CSV),
    _decoded("csv semicolon", {"type": "CsvDecoder", "delimiter": ";"}, b"a;b\n1;2\n"),
    _decoded("csv tab", {"type": "CsvDecoder", "delimiter": "\\t"}, b"a\tb\n1\t2\n"),
    _decoded(
        "csv nulls", {"type": "CsvDecoder", "set_values_to_none": ["", "n/a"]}, b"a,b\n1,n/a\n,z\n"
    ),
    _decoded(
        "csv latin", {"type": "CsvDecoder", "encoding": "latin-1"}, "a\nü\n".encode("latin-1")
    ),
    _decoded("lines", {"type": "IterableDecoder"}, b"one\ntwo\n"),
    _decoded("xml", {"type": "XmlDecoder"}, b'<r><i n="1"><v>x</v></i><i n="2"/></r>', ("r", "i")),
    _decoded(
        "gzip json",
        {"type": "GzipDecoder", "decoder": {"type": "JsonDecoder"}},
        gzip.compress(b'{"data": [{"id": 1}]}'),
        ("data",),
    ),
    _decoded(
        "gzip jsonl",
        {"type": "GzipDecoder", "decoder": {"type": "JsonlDecoder"}},
        gzip.compress(_JSONL),
    ),
    _decoded(
        "gzip csv", {"type": "GzipDecoder", "decoder": {"type": "CsvDecoder"}}, gzip.compress(_CSV)
    ),
    _decoded(
        "gzip, but plain", {"type": "GzipDecoder", "decoder": {"type": "JsonlDecoder"}}, _JSONL
    ),
    _decoded(
        "zip json",
        {"type": "ZipfileDecoder", "decoder": {"type": "JsonDecoder"}},
        _zip(a=json.dumps({"data": [{"id": 1}]}).encode(), b=b'{"data": [{"id": 2}]}'),
        ("data",),
    ),
    _decoded(
        "zip csv", {"type": "ZipfileDecoder", "decoder": {"type": "CsvDecoder"}}, _zip(a=_CSV)
    ),
    _decoded(
        "items",
        {"type": "JsonItemsDecoder", "items_path": "data"},
        b'{"data": [{"id": 1}, {"id": 2}]}',
    ),
]

CASES = [*_EXTRACTED, *_EXPANDED, *_FILTERED, *_TRANSFORMED, *_NORMALIZED, *_DECODED]
