"""Classes that cut streams, read slices, and change what is known before a run."""

from __future__ import annotations

from typing import Any

from tests.dialects.airbyte.custom.pieces import (
    IMPORTS,
    Case,
    children,
    custom,
    option,
    pages,
    plain,
    requester,
    rows,
    stream,
)


def _router(name: str, **fields: Any) -> dict[str, Any]:
    parent = {
        "type": "ParentStreamConfig",
        "stream": stream(),
        "parent_key": "id",
        "partition_field": "ident",
        **fields,
    }
    return custom("PartitionRouter", name, parent_stream_configs=[parent])


def _details(router: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return stream(
        "details",
        requester={"path": "detail/{{ stream_partition['ident'] }}"},
        retriever={"partition_router": router},
        **fields,
    )


def _posted(asked: Any) -> Any:
    if asked.method == "POST":
        return {"ids": [7, 8]}
    return rows(int(asked.path.rpartition("/")[2]))


def _below() -> dict[str, Any]:
    """A stream that asks for its parent by the parent's own parent."""
    above = {
        "type": "ParentStreamConfig",
        "stream": _details(
            {
                "type": "SubstreamPartitionRouter",
                "parent_stream_configs": _router("Plain")["parent_stream_configs"],
            }
        ),
        "parent_key": "child",
        "partition_field": "child",
    }
    return stream(
        "below",
        requester={
            "path": "of/{{ stream_partition.parent_slice.ident }}/{{ stream_slice['child'] }}"
        },
        retriever={
            "partition_router": custom("PartitionRouter", "Plain", parent_stream_configs=[above])
        },
    )


def _kin(asked: Any) -> Any:
    if asked.path.startswith("/of/"):
        return {"data": [{"of": asked.path.removeprefix("/of/")}]}
    if asked.path.startswith("/detail/"):
        return {"data": [{"child": f"{asked.path.rpartition('/')[2]}0"}]}
    return children(asked)


HALVING = (
    IMPORTS
    + """
from airbyte_cdk.sources.declarative.extractors.record_extractor import RecordExtractor
from airbyte_cdk.sources.declarative.retrievers.request_window_splitting import (
    RequestWindowSplitting,
)
from airbyte_cdk.sources.declarative.retrievers.simple_retriever import SimpleRetriever
from airbyte_cdk.sources.streams.concurrent.cursor import Cursor
from airbyte_cdk.sources.streams.http.request_window_split_exception import (
    RequestWindowSplitRequiredException,
)


@dataclass
class Halving(SimpleRetriever):
    cursor: Optional[Cursor] = None
    request_window_splitting: Optional[RequestWindowSplitting] = RequestWindowSplitting()

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        self.request_window_splitter = getattr(self.cursor, "split_request_window", None)

    def _read_pages(self, records_generator_fn, stream_slice):
        for record in super()._read_pages(records_generator_fn, stream_slice):
            if "refused" in record.data:
                raise RequestWindowSplitRequiredException(self.name, record.data["refused"])
            yield record
"""
)


def _days(asked: Any) -> Any:
    """The days of a window, unless it has more than two."""
    first, last = int(asked.query["from"]), int(asked.query["to"])
    if last - first > 1:
        return {"data": [{"refused": "too much"}]}
    kind = asked.query.get("kind", "")
    return {"data": [{"id": f"{kind}{day}", "day": str(day)} for day in range(first, last + 1)]}


def _halving(name: str, *kinds: str) -> Case:
    """A week read in halves, of each kind where there are some."""
    asked = {"from": "{{ stream_interval.start_time }}", "to": "{{ stream_interval.end_time }}"}
    asked |= {"kind": "{{ stream_partition.kind }}"} if kinds else {}
    made = stream(
        requester={"request_parameters": asked},
        incremental_sync={
            "type": "DatetimeBasedCursor",
            "cursor_field": "day",
            "datetime_format": "%Y%m%d",
            "start_datetime": {
                "type": "MinMaxDatetime",
                "datetime": "20240101",
                "datetime_format": "%Y%m%d",
            },
            "end_datetime": {
                "type": "MinMaxDatetime",
                "datetime": "20240107",
                "datetime_format": "%Y%m%d",
            },
            "step": "P1M",
            "cursor_granularity": "P1D",
        },
    )
    router = {"type": "ListPartitionRouter", "values": list(kinds), "cursor_field": "kind"}
    parts = {k: v for k, v in made["retriever"].items() if k != "type"}
    parts |= {"partition_router": router} if kinds else {}
    made["retriever"] = custom("Retriever", "Halving", **parts)
    days = [(k, day) for k in kinds or ("",) for day in range(20240101, 20240108)]
    return Case(
        name=name,
        code=HALVING,
        streams=[made],
        route=_days,
        expected={"items": [{"id": f"{k}{day}", "day": str(day)} for k, day in days]},
    )


CASES = [
    Case(
        name="router-over-some-parents",
        code=IMPORTS
        + """
from airbyte_cdk.sources.declarative.partition_routers.substream_partition_router import (
    SubstreamPartitionRouter,
)


@dataclass
class Odd(SubstreamPartitionRouter):
    def stream_slices(self) -> Iterable[StreamSlice]:
        for piece in super().stream_slices():
            if piece.partition["ident"] % 2:
                yield piece
""",
        streams=[_details(_router("Odd", request_option=option("of")))],
        route=children,
        expected={"details": [{"child": f"c{i}", "of": str(i)} for i in (1, 3)]},
    ),
    Case(
        name="router-over-parents-of-parents",
        code=IMPORTS
        + """
from airbyte_cdk.sources.declarative.partition_routers.substream_partition_router import (
    SubstreamPartitionRouter,
)


@dataclass
class Plain(SubstreamPartitionRouter):
    pass
""",
        streams=[_below()],
        route=_kin,
        expected={"below": [{"of": f"{i}/{i}0"} for i in (1, 2, 3)]},
    ),
    Case(
        name="router-reading-a-parent-itself",
        code=IMPORTS
        + """
from airbyte_cdk.sources.declarative.partition_routers.partition_router import PartitionRouter
from airbyte_cdk.sources.declarative.partition_routers.substream_partition_router import (
    ParentStreamConfig,
)


@dataclass
class Pairs(PartitionRouter):
    parent_stream_configs: List[ParentStreamConfig]
    config: Config
    parameters: InitVar[Mapping[str, Any]]

    def stream_slices(self) -> Iterable[StreamSlice]:
        parent = self.parent_stream_configs[0]
        held = []
        for partition in parent.stream.generate_partitions():
            for record in partition.read():
                held.append(record[parent.parent_key.eval(self.config)])
        for ident in held:
            yield StreamSlice(
                partition={"ident": ident, "side": "left"}, cursor_slice={}, extra_fields={"n": 3}
            )

    def get_request_params(self, stream_state=None, stream_slice=None, next_page_token=None):
        return {"side": stream_slice["side"]}

    def get_request_headers(self, stream_state=None, stream_slice=None, next_page_token=None):
        return {"X-Of": str(stream_slice.extra_fields["n"])}

    def get_request_body_data(self, stream_state=None, stream_slice=None, next_page_token=None):
        return {}

    def get_request_body_json(self, stream_state=None, stream_slice=None, next_page_token=None):
        return {}

    def get_stream_state(self):
        return {}
""",
        streams=[_details(_router("Pairs"))],
        route=children,
        expected={"details": [{"child": f"c{i}", "side": "left"} for i in (1, 2, 3)]},
    ),
    Case(
        name="router-that-asks",
        code=IMPORTS
        + """
from airbyte_cdk.sources.declarative.partition_routers.single_partition_router import (
    SinglePartitionRouter,
)


@dataclass
class Listed(SinglePartitionRouter):
    config: Config

    def stream_slices(self):
        found = requests.post(f"{self.config['base']}/ids", json={"all": True})
        return [StreamSlice(partition={"ident": i}, cursor_slice={}) for i in found.json()["ids"]]
""",
        streams=[_details(custom("PartitionRouter", "Listed"))],
        route=_posted,
        expected={"details": [{"id": i, "name": f"n{i}"} for i in (7, 8)]},
    ),
    Case(
        name="router-of-a-list",
        code=IMPORTS
        + """
from airbyte_cdk.sources.declarative.partition_routers.list_partition_router import (
    ListPartitionRouter,
)


@dataclass
class Configured(ListPartitionRouter):
    def __post_init__(self, parameters):
        super().__post_init__(parameters)
        self.values = [v.strip() for v in self.config["idents"].split(",")]
""",
        streams=[
            _details(
                custom(
                    "PartitionRouter",
                    "Configured",
                    values=[],
                    cursor_field="ident",
                    request_option=option("ident"),
                )
            )
        ],
        route=children,
        expected={"details": [{"child": f"c{i}", "ident": i} for i in ("4", "5")]},
        config={"idents": "4, 5"},
    ),
    Case(
        name="retriever-that-reads-on",
        code=IMPORTS
        + """
from airbyte_cdk.sources.declarative.retrievers.simple_retriever import SimpleRetriever


@dataclass
class Marked(SimpleRetriever):
    def read_records(self, records_schema, stream_slice=None):
        for position, record in enumerate(super().read_records(records_schema, stream_slice)):
            data = dict(record.data)
            data["position"] = position
            yield data
""",
        streams=[
            {
                **stream(transformations=[{"type": "RemoveFields", "field_pointers": [["name"]]}]),
                "retriever": custom(
                    "Retriever",
                    "Marked",
                    requester=requester(),
                    record_selector={
                        "type": "RecordSelector",
                        "extractor": {"type": "DpathExtractor", "field_path": ["data"]},
                    },
                    paginator={
                        "type": "DefaultPaginator",
                        "pagination_strategy": {
                            "type": "PageIncrement",
                            "page_size": 2,
                            "start_from_page": 1,
                        },
                        "page_token_option": option("page"),
                        "$parameters": {"url_base": "{{ config['base'] }}"},
                    },
                ),
            }
        ],
        route=pages,
        expected={"items": [{"id": i, "position": i - 1} for i in range(1, 6)]},
    ),
    Case(
        name="requester-whose-pages-are-links",
        code=IMPORTS
        + """
from airbyte_cdk.sources.declarative.requesters.http_requester import HttpRequester


@dataclass
class Mine(HttpRequester):
    pass
""",
        streams=[
            stream(
                requester={
                    **custom("Requester", "Mine"),
                    **{k: v for k, v in requester().items() if k != "type"},
                    "request_parameters": {"not": "looked at"},
                },
                retriever={
                    "paginator": {
                        "type": "DefaultPaginator",
                        "pagination_strategy": {
                            "type": "CursorPagination",
                            "cursor_value": "{{ response.get('next') }}",
                        },
                        "page_token_option": {"type": "RequestPath"},
                    }
                },
            )
        ],
        route=lambda asked: rows(2) if asked.query else {**rows(1), "next": "/items?after=1"},
        expected={"items": [{"id": i, "name": f"n{i}"} for i in (1, 2)]},
    ),
    _halving("retriever-that-reads-halves"),
    _halving("retriever-that-reads-halves-of-partitions", "a", "b"),
    Case(
        name="retriever-of-its-own",
        code=IMPORTS
        + """
from airbyte_cdk.sources.declarative.retrievers import Retriever
from airbyte_cdk.sources.declarative.requesters.requester import Requester


@dataclass
class Twice(Retriever):
    requester: Requester
    config: Config
    parameters: InitVar[Mapping[str, Any]]

    def read_records(self, records_schema, stream_slice=None):
        for turn in (1, 2):
            response = self.requester.send_request(
                stream_slice=stream_slice, request_params={"turn": turn}
            )
            for record in response.json()["data"]:
                yield {**record, "turn": turn}

    def stream_slices(self):
        return [None]

    @property
    def state(self):
        return {}

    @state.setter
    def state(self, value):
        pass
""",
        streams=[{**stream(), "retriever": custom("Retriever", "Twice", requester=requester())}],
        route=plain,
        expected={"items": [{"id": i, "name": f"n{i}", "turn": t} for t in (1, 2) for i in (1, 2)]},
    ),
    Case(
        name="schema-loader",
        code=IMPORTS
        + """
from airbyte_cdk.sources.declarative.schema.schema_loader import SchemaLoader


@dataclass
class Told(SchemaLoader):
    config: Config

    def get_json_schema(self) -> Mapping[str, Any]:
        kinds = {name: {"type": ["null", kind]} for name, kind in self.config["kinds"].items()}
        return {"type": "object", "properties": kinds}
""",
        streams=[stream(schema_loader=custom("SchemaLoader", "Told"))],
        route=plain,
        expected={"items": [{"id": i, "name": f"n{i}"} for i in (1, 2)]},
        config={"kinds": {"id": "integer", "name": "string"}},
        same_schema=True,
    ),
    Case(
        name="configuration-changed-and-checked",
        code=IMPORTS
        + """
import airbyte_cdk.sources.declarative.transformations.config_transformations as changes
from airbyte_cdk.sources.declarative.validators.validation_strategy import ValidationStrategy


class Default(changes.config_transformation.ConfigTransformation):
    def transform(self, config: MutableMapping[str, Any]) -> None:
        config.setdefault("path", "items")


class NotEmpty(ValidationStrategy):
    def validate(self, value: Any) -> None:
        if not value:
            raise ValueError("it is empty")
""",
        streams=[stream(requester={"path": "{{ config['path'] }}"})],
        route=lambda asked: rows(1) if asked.path == "/items" else (404, {}, {}),
        expected={"items": [{"id": 1, "name": "n1"}]},
        spec={
            "config_normalization_rules": {
                "type": "ConfigNormalizationRules",
                "transformations": [custom("ConfigTransformation", "Default")],
                "validations": [
                    {
                        "type": "DpathValidator",
                        "field_path": ["path"],
                        "validation_strategy": custom("ValidationStrategy", "NotEmpty"),
                    }
                ],
            }
        },
    ),
]
