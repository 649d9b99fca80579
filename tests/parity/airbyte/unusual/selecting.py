"""Records that few manifests take: odd paths, odd records, odd changes, odd texts."""

from __future__ import annotations

import gzip
import io
import zipfile
from typing import Any

from tests.parity.airbyte.build import case, stream
from tests.parity.airbyte.cursors import cursor
from tests.parity.airbyte.harness import Case, Reply

_RECORD: dict[str, Any] = {
    "id": 1,
    "name": "Ann Lee",
    "none": None,
    "zero": 0,
    "no": False,
    "empty": "",
    "text": "5",
    "under": "1_000",
    "float": 1.50,
    "when": "2024-01-02T03:04:05Z",
    "epoch": 1704153600,
    "list": [3, 1, 2],
    "texts": ["a", "b"],
    "objects": [{"k": "v", "n": 1}, {"k": "w"}],
    "deep": {"a": {"b": {"c": 1}}, "l": [[1], [2, 3]]},
    "a b": "spaced",
    "a.b": "dotted",
    "Camel": {"innerKey": 1, "Other Key": [{"InList": 1}]},
    "quote": "it's",
    "json": '{"x": true}',
    "python": "{'x': 1}",
    "tuple": "1,2",
    "bool": "true",
    "Bool": "True",
    "nul": "None",
    "braces": "{{ x }}",
    "big": 12345678901234567890,
    "items": {"i": 1},
    "keys": "k",
    "values": [1],
}


def _case(
    name: str, body: Any = None, at: tuple[str, ...] = ("data",), *, changes: Any = (), **parts: Any
) -> Case:
    more = {k: parts.pop(k) for k in ("selects", "retrieves", "schema_loader", "incremental_sync",
                                      "primary_key") if k in parts}  # fmt: skip
    if "extractor" in parts:
        more["selects"] = {**more.get("selects", {}), "extractor": parts.pop("extractor")}
    made = stream(at=at, transformations=list(changes), **more)
    return case(name, made, replies=[{"data": [_RECORD]} if body is None else body], **parts)


_BODIES: dict[str, tuple[Any, tuple[str, ...]]] = {
    "a list of lists": ({"data": [[{"id": 1}], [{"id": 2}]]}, ("data",)),
    "a list of texts": ({"data": ["a", "b"]}, ("data",)),
    "a number": ({"data": 5}, ("data",)),
    "zero": ({"data": 0}, ("data",)),
    "false": ({"data": False}, ("data",)),
    "true": ({"data": True}, ("data",)),
    "an index": ({"data": [[{"id": 1}], [{"id": 2}]]}, ("data", "0")),
    "an index beyond": ({"data": [{"id": 1}]}, ("data", "3")),
    "a negative index": ({"data": [{"id": 1}, {"id": 2}]}, ("data", "-1")),
    "a star in a list": ({"data": [{"id": 1}, {"id": 2}]}, ("data", "*")),
    "a star of scalars": ({"a": {"x": 1, "y": 2}}, ("a", "*")),
    "two stars": ({"a": {"x": {"r": {"id": 1}}, "y": {"r": {"id": 2}}}}, ("a", "*", "r")),
    "a key with a dot": ({"a.b": [{"id": 1}]}, ("a.b",)),
    "a key with a slash": ({"a/b": [{"id": 1}]}, ("a/b",)),
    "a key with a space": ({"a b": [{"id": 1}]}, ("a b",)),
    "an empty key": ({"": [{"id": 1}]}, ("",)),
    "a template": ({"t": [{"id": 1}]}, ("{{ config['t'] }}",)),
    "a template of a parameter": ({"data": [{"id": 1}]}, ("{{ parameters.get('x', 'data') }}",)),
    "a scalar on the way": ({"data": 5}, ("data", "rows")),
    "a list on the way": ({"data": [{"rows": [{"id": 1}]}, {"rows": [{"id": 2}]}]},
                          ("data", "rows")),
    "a null on the way": ({"data": None}, ("data", "rows")),
    "a list body of scalars": ([1, 2], ()),
    "a list body of lists": ([[{"id": 1}], {"id": 2}, [], {}, None], ()),
    "a text body": (Reply(body='"text"'), ()),
    "a number body": (Reply(body="5"), ()),
    "an object of objects": ({"data": {"a": {"id": 1}, "b": {"id": 2}}}, ("data",)),
}  # fmt: skip
_EXTRACTED = [
    _case(f"unusual records in {n}", body, at, config={"t": "t"})
    for n, (body, at) in _BODIES.items()
]

_PARENT = {
    "id": 1,
    "n": {"x": 5, "y": None},
    "items": [{"i": 1, "id": 9}, {"i": 2}],
    "more": {"data": [{"m": 1}], "has_more": False},
    "sections": [{"rows": [{"r": 1}]}, {"rows": [{"r": 2}, {"r": 3}]}, {}],
    "text": "t",
    "object": {"o": 1},
}


def _expander(name: str, *path: str, body: Any = None, **parts: Any) -> Case:
    expands = {"type": "RecordExpander", "expand_records_from_field": list(path), **parts}
    return _case(
        f"unusual expander, {name}",
        {"data": [_PARENT]} if body is None else body,
        extractor={"type": "DpathExtractor", "field_path": ["data"], "record_expander": expands},
    )


def _above(*path: str, to: tuple[str, ...]) -> dict[str, Any]:
    return {"type": "ParentFieldPath", "parent_path": list(path), "record_path": list(to)}


_EXPANDED = [
    _expander("deep", "more", "data"),
    _expander("a star", "sections", "*", "rows"),
    _expander("a star, the original kept", "sections", "*", "rows", remain_original_record=True),
    _expander("a star, merged", "sections", "*", "rows", merge_parent=True),
    _expander("an object", "object"),
    _expander("a text", "text"),
    _expander("a text, the parent instead", "text", on_no_records="emit_parent"),
    _expander("missing", "gone"),
    _expander("missing, the parent instead", "gone", on_no_records="emit_parent"),
    _expander("missing, the parent instead, the original kept", "gone",
              on_no_records="emit_parent", remain_original_record=True),
    _expander("a field of the parent", "items", parent_fields=[_above("id", to=("pid",))]),
    _expander("a deep field of the parent", "items",
              parent_fields=[_above("n", "x", to=("p", "x"))]),
    _expander("a missing field of the parent", "items", parent_fields=[_above("q", to=("p",))]),
    _expander("a null field of the parent", "items", parent_fields=[_above("n", "y", to=("p",))]),
    _expander("a field that is there already", "items", parent_fields=[_above("id", to=("id",))]),
    _expander("a field and the parent merged", "items", merge_parent=True,
              parent_fields=[_above("id", to=("pid",))]),
    _expander("the parent merged and kept", "items", merge_parent=True,
              remain_original_record=True),
    _expander("scalars, the parent merged", "list", merge_parent=True,
              body={"data": [{"id": 1, "list": [1, "a", None]}]}),
    _expander("one object for all records", "items", body={"data": _PARENT}),
]  # fmt: skip


def _combined(name: str, body: Any, *paths: list[str], **parts: Any) -> Case:
    made = {
        "type": "CombinedExtractor",
        "extractors": [{"type": "DpathExtractor", "field_path": path} for path in paths],
        **parts,
    }
    return _case(f"combined, {name}", body, extractor=made)


_BOTH = {"a": [{"id": 1}], "b": [{"id": 2}], "c": []}
_COMBINED = [
    _combined("all", _BOTH, ["a"], ["b"]),
    _combined("empty ones left out", _BOTH, ["a"], ["b"], skip_empty_records=True),
    _combined("the first", _BOTH, ["c"], ["b"], ["a"], mode="first_match"),
    _combined("the first, of none", _BOTH, ["c"], ["x"], mode="first_match"),
    _combined("the first, of empty ones", {"a": [{}], "b": [{"id": 2}]}, ["a"], ["b"],
              mode="first_match", skip_empty_records=True),
    _combined("an object and a list", {"a": {"id": 1}, "b": [{"id": 2}]}, ["a"], ["b"]),
    _combined("patterns", {"a": {"x": {"id": 1}}, "b": [{"id": 2}]}, ["a", "*"], ["b"]),
    *(
        _case(f"combined, expanded, {name}", {"data": [_PARENT], "b": [{"id": 7}]}, extractor={
            "type": "CombinedExtractor", **parts, "extractors": [
                {"type": "DpathExtractor", "field_path": ["data"], "record_expander": {
                    "type": "RecordExpander", "expand_records_from_field": [at],
                    "parent_fields": [_above("id", to=("pid",))]}},
                {"type": "DpathExtractor", "field_path": ["b"]}]})
        for name, at, parts in (
            ("all", "items", {}),
            ("the first", "items", {"mode": "first_match"}),
            ("the first, of none", "gone", {"mode": "first_match"}),
        )
    ),
    _combined("nulls left out", {"a": [{"id": 1}, None], "b": [None]}, ["a"], ["b"],
              skip_empty_records=True),
    _combined("the whole and a part", {"id": 1, "b": [{"id": 2}]}, [], ["b"]),
]  # fmt: skip


def _add(value: Any, *path: str, **parts: Any) -> dict[str, Any]:
    field = {"type": "AddedFieldDefinition", "path": list(path or ("new",)), "value": value}
    if "value_type" in parts:
        field["value_type"] = parts.pop("value_type")
    return {"type": "AddFields", "fields": [field], **parts}


_VALUES = {
    **{f"of {key}": "{{ record['%s'] }}" % key for key in _RECORD if key != "when"},  # noqa: UP031 (braces)
    "of a method's name, in brackets": "{{ record['values'][0] }}",
    "get": "{{ record.get('gone', 'd') }}",
    "get nothing": "{{ record.get('gone') }}",
    "deep of nothing": "{{ record['gone']['x'] }}",
    "deep of null": "{{ record['none']['x'] }}",
    "deep of a text": "{{ record.name.x }}",
    "of a null in a text": "a{{ record.none }}b",
    "of a boolean in a text": "{{ record.no }}!",
    "of two": "{{ record.id }}{{ record.zero }}",
    "of two, apart": "{{ record.id }},{{ record.zero }}",
    "of a date": "{{ record.when }}",
    "of a day": "{{ record.when[:10] }}",
    "of a format": "{{ format_datetime(record.when, '%Y-%m-%d') }}",
    "of an epoch": "{{ format_datetime(record.epoch, '%Y-%m-%dT%H:%M:%SZ') }}",
    "of a timestamp": "{{ timestamp(record.when) }}",
    "of a timestamp as int": "{{ timestamp(record.when) | int }}",
    "of a list joined": "{{ record.texts | join(',') }}",
    "of numbers joined": "{{ record.list | join(',') }}",
    "of a list's first": "{{ record.list[0] }}",
    "of a list's maximum": "{{ record.list | max }}",
    "of a list's length": "{{ record.list | length }}",
    "of a list, sorted": "{{ record.list | sort }}",
    "of a map": "{{ record.objects | map(attribute='k') | list }}",
    "of a select": "{{ (record.objects | selectattr('k', 'equalto', 'w') | list)[0] }}",
    "of a loop": "{% for o in record.objects %}{{ o.k }}{% endfor %}",
    "of an if": "{% if record.id == 1 %}one{% else %}other{% endif %}",
    "of an if without an else": "{% if record.id == 2 %}two{% endif %}",
    "of a sum": "{{ record.id + record.zero + 1.5 }}",
    "of a comparison": "{{ record.id > 0 and not record.none }}",
    "of tojson": "{{ record.deep | tojson }}",
    "of a string": "{{ record.id | string }}",
    "of a string of an object": "{{ record.deep | string }}",
    "of a hash": "{{ (record.id ~ record.name) | hash('md5') }}",
    "of a regular expression": "{{ record.name | regex_search('([A-Z])[a-z]+ ') }}",
    "of a split": "{{ record.name.split(' ')[-1] | lower }}",
    "of the whole record": "{{ record | length }}",
    "of a default": "{{ record.gone | default('d') }}",
    "of a default for null": "{{ record.none | default('d', true) }}",
    "of a missing key of config": "{{ config['gone'] }}",
    "of a missing variable": "{{ gone }}",
    "of an unsupported variable": "{{ stream_state['x'] }}",
    "of a number as a constant": "0x1F",
    "of a list as a constant": "[1, 'a']",
    "of an object as a constant": "{'a': 1}",
    "of a time": "10:30",
    "of a phone number": "+4915112345",
    "of spaces": "  x  ",
    "of spaces around": "  {{ record.id }} ",
    "of lines": "a\nb\n",
    "of its own value": "{{ value }}",
}
_KINDS = {
    "null as string": ("{{ record.none }}", "string"),
    "null as integer": ("{{ record.none }}", "integer"),
    "an int as number": ("{{ record.id }}", "number"),
    "a float as integer": ("{{ record.float }}", "integer"),
    "a float as number": ("{{ record.float }}", "number"),
    "a text as integer": ("{{ record.name }}", "integer"),
    "a bool as integer": ("{{ record.id == 1 }}", "integer"),
    "a bool as string": ("{{ record.id == 1 }}", "string"),
    "a small bool as boolean": ("{{ record.bool }}", "boolean"),
    "a list as string": ("{{ record.list }}", "string"),
    "an object as string": ("{{ record.deep }}", "string"),
    "a number's text as string": ("{{ record.text }}", "string"),
    "an underscored text as string": ("{{ record.under }}", "string"),
    "an underscored text as integer": ("{{ record.under }}", "integer"),
    "a missing one as string": ("{{ record.gone }}", "string"),
    "a missing one as integer": ("{{ record.gone }}", "integer"),
    "a quoted text as string": ("'{{ record.name }}'", "string"),
    "a constant as string": ("5", "string"),
    "a constant as integer": ("5", "integer"),
}
_ADDED = [
    *(_case(f"field {n}", changes=[_add(v)]) for n, v in _VALUES.items()),
    *(_case(f"typed field, {n}", changes=[_add(v, value_type=k)]) for n, (v, k) in _KINDS.items()),
    _case("field of an object, a part of which is removed", changes=[
        _add("{{ record.deep }}"),
        {"type": "RemoveFields", "field_pointers": [["deep", "a"]]}]),
    _case("field of an object that grows", {"data": [{"id": 1}, {"id": 2}]}, changes=[
        _add("{}", "new"),
        _add("{{ record.id }}", "new", "of", condition="{{ record.id == 1 }}")]),
    _case("field at a path with a number", changes=[_add("x", "objects", "0", "new")]),
    _case("field at a path beyond a list", changes=[_add("x", "list", "5")]),
    _case("field at a path of a template", changes=[_add("x", "{{ config['f'] }}")],
          config={"f": "named"}),
    _case("field under a null", changes=[_add("x", "none", "deep")]),
    _case("fields that see each other", changes=[{"type": "AddFields", "fields": [
        {"path": ["x"], "value": "{{ record.id + 1 }}"},
        {"path": ["y"], "value": "{{ record.x + 1 }}"}]}]),
    _case("field by the path", changes=[_add("v", condition="{{ path == ['new'] }}")]),
    _case("field by its value", changes=[_add("{{ record.gone }}",
                                              condition="{{ value is not none }}")]),
    _case("field by its missing value", changes=[_add("{{ record.gone }}",
                                                      condition="{{ value != '' }}")]),
    _case("field by no", changes=[_add("v", condition="no")]),
    _case("field by a condition that fails", changes=[_add("v", condition="{{ record.g.x }}")]),
    _case("field of the window", changes=[_add("{{ stream_slice['start_time'] }}")],
          incremental_sync=cursor()),
    _case("field of the whole window", changes=[_add("{{ stream_interval }}")],
          incremental_sync=cursor()),
    _case("field of the partition of none", changes=[_add("{{ stream_partition }}")]),
    _case("field of the parameters", changes=[{**_add("{{ parameters['p'] }}"),
                                               "$parameters": {"p": "5"}}]),
    _case("field of an object's items", changes=[_add(
        "{{ record.deep.items() | list | length }}")]),
]  # fmt: skip
_CHANGES: dict[str, dict[str, Any]] = {
    "remove deep": {"type": "RemoveFields", "field_pointers": [["deep", "a", "b"]]},
    "remove with a star": {"type": "RemoveFields", "field_pointers": [["*", "a"]]},
    "remove with brackets": {"type": "RemoveFields", "field_pointers": [["[nz]*"]]},
    "remove null": {"type": "RemoveFields", "field_pointers": [["**"]],
                    "condition": "{{ property is none }}"},
    "remove falsy": {"type": "RemoveFields", "field_pointers": [["*"]],
                     "condition": "{{ not property }}"},
    "remove an item": {"type": "RemoveFields", "field_pointers": [["list", "1"]]},
    "remove in items": {"type": "RemoveFields", "field_pointers": [["objects", "*", "n"]]},
    "remove a key with a dot": {"type": "RemoveFields", "field_pointers": [["a.b"], ["a b"]]},
    "remove by config": {"type": "RemoveFields", "field_pointers": [["name"], ["id"]],
                         "condition": "{{ property == config['f'] }}"},
    "snake": {"type": "KeysToSnakeCase"},
    "lower": {"type": "KeysToLower"},
    "replace by a template": {"type": "KeysReplace", "old": "{{ config['f'] }}", "new": "_"},
    "replace with nothing": {"type": "KeysReplace", "old": "e", "new": ""},
    "replace by the record": {"type": "KeysReplace", "old": "{{ record['keys'] }}", "new": "K"},
    "replace spaces": {"type": "KeysReplace", "old": " ", "new": "_"},
    "flatten": {"type": "FlattenFields"},
    "flatten without lists": {"type": "FlattenFields", "flatten_lists": False},
    "flatten at a deep path": {"type": "DpathFlattenFields", "field_path": ["deep", "a"]},
    "flatten at a star": {"type": "DpathFlattenFields", "field_path": ["deep", "*"]},
    "flatten at a list": {"type": "DpathFlattenFields", "field_path": ["list"]},
    "flatten at a missing path": {"type": "DpathFlattenFields", "field_path": ["gone"]},
    "flatten at a text": {"type": "DpathFlattenFields", "field_path": ["name"]},
    "flatten at a conflict": {"type": "DpathFlattenFields", "field_path": ["twin"]},
    "flatten at, prefix and suffix": {
        "type": "DpathFlattenFields", "field_path": ["deep"], "delete_origin_value": True,
        "key_transformation": {"type": "KeyTransformation", "prefix": "{{ config['f'] }}_",
                               "suffix": "_s"}},
    "flatten at a missing path, replace": {
        "type": "DpathFlattenFields", "field_path": ["gone"], "replace_record": True},
    "flatten at a star, replace": {
        "type": "DpathFlattenFields", "field_path": ["deep", "*"], "replace_record": True},
    "flatten at a template": {
        "type": "DpathFlattenFields", "field_path": ["{{ config['d'] }}"]},
}  # fmt: skip
_TWIN = {**_RECORD, "twin": {"id": 7, "q": 1}}
_CHANGED = [
    _case(f"unusual change, {n}", {"data": [_TWIN]}, changes=[c],
          config={"f": "e", "d": "deep"})
    for n, c in _CHANGES.items()
]  # fmt: skip

_CONDITIONS = {
    "a false text": "{{ record.bool == 'false' }}",
    "a text of a record": "{{ record.bool }}",
    "zero": "{{ record.zero }}",
    "a list": "{{ record.list }}",
    "an empty list": "{{ [] }}",
    "null": "{{ record.none }}",
    "a constant": "true",
    "False": "False",
    "FALSE": "FALSE",
    "none": "None",
    "a zero text": "0",
    "a float zero": "0.0",
    "an empty text": "",
    "spaces": " ",
    "deep of nothing": "{{ record['gone']['x'] == 1 }}",
    "a type error": "{{ record.name > 5 }}",
    "a date": "{{ format_datetime(record.when, '%Y') == '2024' }}",
    "a date as a number": "{{ format_datetime(record.when, '%Y') | int == 2024 }}",
    "a slice": "{{ stream_slice.get('x') is none }}",
    "an unknown variable": "{{ nothing == 1 }}",
    "an if": "{% if record.id == 1 %}yes{% endif %}",
    "an if that does not hold": "{% if record.id == 2 %}yes{% endif %}",
    "two": "{{ record.id == 1 }}{{ record.id == 2 }}",
}
_FILTERED = [
    _case(
        f"unusual filter, {n}",
        selects={"record_filter": {"type": "RecordFilter", "condition": c}},
    )
    for n, c in _CONDITIONS.items()
]

_SCHEMA: dict[str, Any] = {
    "id": {"type": "string"},
    "name": {"type": ["null", "integer"]},
    "none": {"type": "string"},
    "zero": {"type": ["null", "boolean"]},
    "no": {"type": "integer"},
    "empty": {"type": "number"},
    "text": {"type": ["null", "number"]},
    "under": {"type": "integer"},
    "float": {"type": "integer"},
    "when": {"type": "string", "format": "date-time"},
    "list": {"type": "array", "items": {"type": "string"}},
    "texts": {"type": "string"},
    "objects": {"type": "array", "items": {"type": "object", "properties": {
        "n": {"type": "string"}, "k": {"type": "integer"}}}},
    "deep": {"type": "object", "properties": {"a": {"type": "string"}}},
    "bool": {"type": "boolean"},
    "Bool": {"type": ["boolean", "null"]},
    "keys": {"type": "array"},
    "values": {"type": ["string", "integer"]},
    "big": {"type": "number"},
    "epoch": {"oneOf": [{"type": "string"}, {"type": "integer"}]},
    "quote": {},
    "tuple": {"type": "object"},
    "missing": {"type": "string"},
}  # fmt: skip
_NORMALIZED = [
    _case(
        f"normalized {name}",
        selects={"schema_normalization": "Default"},
        schema_loader={"type": "InlineSchemaLoader", "schema": schema},
    )
    for name, schema in {
        "of every kind": {"type": "object", "properties": _SCHEMA},
        "without properties": {"type": "object"},
        "required": {"type": "object", "required": ["gone"], "properties": {
            "id": {"type": "string"}}},
        "closed": {"type": "object", "additionalProperties": False, "properties": {
            "id": {"type": "string"}}},
        "by references": {"type": "object", "properties": {"id": {"$ref": "#/definitions/t"}},
                          "definitions": {"t": {"type": "string"}}},
    }.items()
]  # fmt: skip


def _zip(**members: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return held.getvalue()


def _decoded(name: str, decoder: dict[str, Any], body: bytes, at: tuple[str, ...] = ()) -> Case:
    return _case(f"unusual decoder, {name}", Reply(body=body), at, retrieves={"decoder": decoder})


_CSV = {"type": "CsvDecoder"}
_DECODED = [
    _decoded("csv with quotes and lines", _CSV, b'a,b\n"x ""y""","1\n2"\n'),
    _decoded("csv with windows' lines", _CSV, b"a,b\r\n1,2\r\n"),
    _decoded("csv with too many fields", _CSV, b"a,b\n1,2,3\n"),
    _decoded("csv with too few fields", _CSV, b"a,b\n1\n"),
    _decoded("csv with empty lines", _CSV, b"a,b\n\n1,2\n\n"),
    _decoded("csv with a name twice", _CSV, b"a,a\n1,2\n"),
    _decoded("csv with an empty name", _CSV, b"a,\n1,2\n"),
    _decoded("csv without rows", _CSV, b"a,b\n"),
    _decoded("csv with spaces", _CSV, b"a, b\n 1, 2 \n"),
    _decoded("csv by a path", _CSV, b"a,b\n1,2\n", ("a",)),
    _decoded("csv in utf-16", {**_CSV, "encoding": "utf-16"}, "a,b\nü,2\n".encode("utf-16")),
    _decoded("csv with a bar", {**_CSV, "delimiter": "|"}, b"a|b\n1|2\n"),
    _decoded("csv that is packed", {"type": "GzipDecoder", "decoder": {**_CSV, "delimiter": "\\t"}},
             gzip.compress(b"a\tb\n1\t2\n")),
    _decoded("lines of JSON with empty ones", {"type": "JsonlDecoder"},
             b'{"id": 1}\n\n{"id": 2}'),
    _decoded("lines of JSON of lists", {"type": "JsonlDecoder"}, b'[{"id": 1}]\n[{"id": 2}]\n'),
    _decoded("lines of JSON by a path", {"type": "JsonlDecoder"},
             b'{"d": {"id": 1}}\n{"d": {"id": 2}}\n', ("d",)),
    _decoded("XML with a list of one", {"type": "XmlDecoder"},
             b"<r><i><v>1</v></i></r>", ("r", "i")),
    _decoded("XML with texts and attributes", {"type": "XmlDecoder"},
             b'<r><i a="1">text</i><i a="2"><![CDATA[<x>]]></i></r>', ("r", "i")),
    _decoded("XML with names of spaces", {"type": "XmlDecoder"},
             b'<r xmlns:n="urn:x"><n:i><n:v>1</n:v></n:i></r>', ("r", "n:i")),
    _decoded("XML of nothing", {"type": "XmlDecoder"}, b"<r/>", ("r", "i")),
    _decoded("items deep", {"type": "JsonItemsDecoder", "items_path": "a.b"},
             b'{"a": {"x": 1, "b": [{"id": 1}, {"id": 2.5}]}}'),
    _decoded("items by a path", {"type": "JsonItemsDecoder", "items_path": "a"},
             b'{"a": [{"r": {"id": 1}}]}', ("r",)),
    _decoded("items that are missing", {"type": "JsonItemsDecoder", "items_path": "b"},
             b'{"a": [{"id": 1}]}'),
    _decoded("items of items", {"type": "JsonItemsDecoder", "items_path": "a.item.b"},
             b'{"a": [{"b": [{"id": 1}]}, {"b": [{"id": 2}]}]}'),
    _decoded("items that are lists", {"type": "JsonItemsDecoder", "items_path": "a.item"},
             b'{"a": [[{"id": 1}], [{"id": 2}]]}'),
    _decoded("items of an object", {"type": "JsonItemsDecoder", "items_path": "a"},
             b'{"a": {"item": {"id": 1}}}'),
    _decoded("a zip of lines", {"type": "ZipfileDecoder", "decoder": {"type": "JsonlDecoder"}},
             _zip(a=b'{"id": 1}\n{"id": 2}\n', b=b'{"id": 3}')),
    _decoded("a zip of packed lines", {"type": "ZipfileDecoder", "decoder": {
        "type": "GzipDecoder", "decoder": {"type": "JsonlDecoder"}}},
             _zip(a=gzip.compress(b'{"id": 1}\n'))),
    _decoded("lines by a path", {"type": "IterableDecoder"}, b"one\ntwo", ("record",)),
]  # fmt: skip

CASES = [
    *_EXTRACTED,
    *_EXPANDED,
    *_COMBINED,
    *_ADDED,
    *_CHANGED,
    *_FILTERED,
    *_NORMALIZED,
    *_DECODED,
]
