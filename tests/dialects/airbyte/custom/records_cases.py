"""Classes that take, keep, change and cast records, and that decode answers."""

from __future__ import annotations

from typing import Any

from tests.dialects.airbyte.custom.pieces import (
    IMPORTS,
    Case,
    children,
    custom,
    plain,
    rows,
    stream,
)


def _nested(asked: Any) -> Any:
    del asked
    return {"groups": {"a": {"rows": [{"id": 1}]}, "b": {"rows": [{"id": 2}, {"id": 3}]}}}


def _table(asked: Any) -> Any:
    del asked
    return {"headers": ["id", "name"], "rows": [[1, "x"], [2, "y"]]}


def _lines(asked: Any) -> Any:
    del asked
    return 200, {"Content-Type": "text/plain"}, b"id;name\n1;x\n2;y\n"


CASES = [
    Case(
        name="extractor-of-nested-groups",
        code=IMPORTS
        + """
from airbyte_cdk.sources.declarative.extractors.record_extractor import RecordExtractor


@dataclass
class Groups(RecordExtractor):
    config: Config
    parameters: InitVar[Mapping[str, Any]]

    def extract_records(self, response: requests.Response) -> List[Mapping[str, Any]]:
        found = []
        for name, group in response.json()["groups"].items():
            for row in group["rows"]:
                row["group"] = name
                found.append(row)
        return found
""",
        streams=[stream(selector={"extractor": custom("RecordExtractor", "Groups")})],
        route=_nested,
        expected={
            "items": [
                {"id": 1, "group": "a"},
                {"id": 2, "group": "b"},
                {"id": 3, "group": "b"},
            ]
        },
    ),
    Case(
        name="extractor-calling-super",
        code=IMPORTS
        + """
from airbyte_cdk.sources.declarative.extractors.dpath_extractor import DpathExtractor


@dataclass
class Counted(DpathExtractor):
    def extract_records(self, response: requests.Response) -> Iterable[Mapping[str, Any]]:
        for position, record in enumerate(super().extract_records(response)):
            record["position"] = position
            record["status"] = response.status_code
            record["kind"] = response.headers["content-type"].split(";")[0]
            yield record
""",
        streams=[
            stream(
                selector={
                    "extractor": custom(
                        "RecordExtractor", "Counted", field_path=["{{ parameters['at'] }}"]
                    )
                },
                **{"$parameters": {"at": "data"}},
            )
        ],
        route=plain,
        expected={
            "items": [
                {
                    "id": i,
                    "name": f"n{i}",
                    "position": i - 1,
                    "status": 200,
                    "kind": "application/json",
                }
                for i in (1, 2)
            ]
        },
    ),
    Case(
        name="extractor-with-its-decoder",
        code=IMPORTS
        + """
from airbyte_cdk.sources.declarative.decoders import Decoder, JsonDecoder
from airbyte_cdk.sources.declarative.extractors.record_extractor import RecordExtractor
from dataclasses import field


@dataclass
class Table(RecordExtractor):
    parameters: InitVar[Mapping[str, Any]]
    decoder: Decoder = field(default_factory=lambda: JsonDecoder(parameters={}))

    def extract_records(self, response):
        for body in self.decoder.decode(response):
            for row in body.get("rows", []):
                yield dict(zip(body["headers"], row))
""",
        streams=[stream(selector={"extractor": custom("RecordExtractor", "Table")})],
        route=_table,
        expected={"items": [{"id": 1, "name": "x"}, {"id": 2, "name": "y"}]},
    ),
    Case(
        name="filter-over-a-page",
        code=IMPORTS
        + """
from airbyte_cdk.sources.declarative.extractors.record_filter import RecordFilter


@dataclass
class Once(RecordFilter):
    def filter_records(self, records, stream_state, stream_slice=None, next_page_token=None):
        seen = set()
        for record in super().filter_records(records, stream_state, stream_slice, next_page_token):
            if record["name"] not in seen:
                seen.add(record["name"])
                yield record
""",
        streams=[
            stream(
                selector={
                    "record_filter": custom(
                        "RecordFilter", "Once", condition="{{ record['id'] > config['least'] }}"
                    )
                }
            )
        ],
        route=lambda _asked: {
            "data": [{"id": i, "name": n} for i, n in ((1, "a"), (2, "b"), (3, "b"), (4, "c"))]
        },
        expected={"items": [{"id": 2, "name": "b"}, {"id": 4, "name": "c"}]},
        config={"least": 1},
    ),
    Case(
        name="transformation",
        code=IMPORTS
        + """
from airbyte_cdk.sources.declarative.transformations import RecordTransformation


class Rename(RecordTransformation):
    def transform(self, record, config=None, stream_state=None, stream_slice=None):
        record["label"] = f"{config['prefix']}{record.pop('name')}"
        record.setdefault("tags", []).append(len(record))
""",
        streams=[stream(transformations=[custom("Transformation", "Rename")])],
        route=plain,
        expected={"items": [{"id": i, "label": f"p-n{i}", "tags": [3]} for i in (1, 2)]},
        config={"prefix": "p-"},
    ),
    Case(
        name="transformation-with-fields-among-others",
        code=IMPORTS
        + """
from airbyte_cdk.sources.declarative.interpolation.interpolated_string import InterpolatedString
from airbyte_cdk.sources.declarative.transformations.transformation import RecordTransformation


@dataclass
class Copy(RecordTransformation):
    source: str
    target: Union[InterpolatedString, str]
    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._target = InterpolatedString.create(self.target, parameters=parameters)

    def transform(
        self,
        record: MutableMapping[str, Any],
        config: Optional[Config] = None,
        stream_state: Optional[StreamState] = None,
        stream_slice: Optional[StreamSlice] = None,
    ) -> None:
        record[self._target.eval(config)] = record[self.source]
""",
        streams=[
            stream(
                transformations=[
                    {
                        "type": "AddFields",
                        "fields": [
                            {"path": ["twice"], "value": "{{ record['id'] * 2 }}"},
                        ],
                    },
                    custom(
                        "Transformation",
                        "Copy",
                        source="twice",
                        target="{{ parameters['to'] }}",
                        **{"$parameters": {"to": "double"}},
                    ),
                    {"type": "RemoveFields", "field_pointers": [["twice"]]},
                ]
            )
        ],
        route=plain,
        expected={"items": [{"id": i, "name": f"n{i}", "double": i * 2} for i in (1, 2)]},
    ),
    Case(
        name="transformation-seeing-its-slice",
        code=IMPORTS
        + """
from airbyte_cdk.sources.declarative.transformations import RecordTransformation


class Where(RecordTransformation):
    def transform(self, record, config=None, stream_state=None, stream_slice=None):
        record["of"] = stream_slice["ident"]
        record["same"] = stream_slice.partition.get("ident")
        record["note"] = stream_slice.extra_fields.get("name")
""",
        streams=[
            stream(
                "details",
                requester={"path": "detail/{{ stream_partition['ident'] }}"},
                retriever={
                    "partition_router": {
                        "type": "SubstreamPartitionRouter",
                        "parent_stream_configs": [
                            {
                                "type": "ParentStreamConfig",
                                "stream": stream(),
                                "parent_key": "id",
                                "partition_field": "ident",
                                "extra_fields": [["name"]],
                            }
                        ],
                    }
                },
                transformations=[custom("Transformation", "Where")],
            )
        ],
        route=children,
        expected={
            "details": [{"child": f"c{i}", "of": i, "same": i, "note": f"n{i}"} for i in (1, 2, 3)]
        },
    ),
    Case(
        name="schema-normalization",
        code=IMPORTS
        + """
from airbyte_cdk.sources.utils.transform import TransformConfig, TypeTransformer


class Cast(TypeTransformer):
    def __init__(self, *args, **kwargs):
        how = TransformConfig.DefaultSchemaNormalization
        super().__init__(how | TransformConfig.CustomSchemaNormalization)
        self.registerCustomTransform(self.get_transform_function())

    def get_transform_function(self):
        def transform_function(original_value: Any, field_schema: dict) -> Any:
            if original_value == "":
                return None
            return original_value

        return transform_function
""",
        streams=[
            stream(
                selector={"schema_normalization": custom("SchemaNormalization", "Cast")},
                schema_loader={
                    "type": "InlineSchemaLoader",
                    "schema": {
                        "type": "object",
                        "properties": {
                            "id": {"type": "integer"},
                            "name": {"type": ["string", "null"]},
                        },
                    },
                },
            )
        ],
        route=lambda _asked: {"data": [{"id": "1", "name": ""}, {"id": "2", "name": 5}]},
        expected={"items": [{"id": 1, "name": None}, {"id": 2, "name": "5"}]},
    ),
    Case(
        name="decoder",
        code=IMPORTS
        + """
from airbyte_cdk.sources.declarative.decoders.decoder import Decoder


@dataclass
class Semicolons(Decoder):
    parameters: InitVar[Mapping[str, Any]]

    def is_stream_response(self) -> bool:
        return False

    def decode(self, response: requests.Response):
        head, *lines = response.text.strip().split("\\n")
        rows = [dict(zip(head.split(";"), line.split(";"))) for line in lines]
        yield {"rows": rows}
""",
        streams=[
            stream(
                retriever={"decoder": custom("Decoder", "Semicolons")},
                selector={"extractor": {"type": "DpathExtractor", "field_path": ["rows"]}},
            )
        ],
        route=_lines,
        expected={"items": [{"id": "1", "name": "x"}, {"id": "2", "name": "y"}]},
    ),
    Case(
        name="extractor-that-asks-once-more",
        code=IMPORTS
        + """
from airbyte_cdk.sources.declarative.extractors.record_extractor import RecordExtractor


@dataclass
class Joined(RecordExtractor):
    config: Config

    def extract_records(self, response):
        for row in response.json()["data"]:
            more = requests.get(f"{self.config['base']}/more/{row['id']}", headers={"X-A": "1"})
            more.raise_for_status()
            yield {**row, **more.json()}
""",
        streams=[stream(selector={"extractor": custom("RecordExtractor", "Joined")})],
        route=lambda asked: rows(1, 2) if asked.path == "/items" else {"more": asked.path},
        expected={"items": [{"id": i, "name": f"n{i}", "more": f"/more/{i}"} for i in (1, 2)]},
    ),
]
