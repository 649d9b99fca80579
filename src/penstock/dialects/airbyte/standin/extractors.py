"""Extractors, filters and selectors: from an answer to its records."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import InitVar, dataclass, field
from enum import Flag, auto
from typing import Any

from penstock.dialects.airbyte.standin import paths as dpath
from penstock.dialects.airbyte.standin.decoders import Decoder, JsonDecoder
from penstock.dialects.airbyte.standin.interpolation import InterpolatedBoolean, InterpolatedString
from penstock.dialects.airbyte.standin.transformations import RecordTransformation
from penstock.dialects.airbyte.standin.values import Config, Record, StreamSlice, StreamState
from penstock.dialects.python.running import current
from penstock.dialects.python.web import Response
from penstock.plan import transforms
from penstock.plan.expr import Frame

COUNT = "_airbyte_extracted_record_count"


@dataclass
class RecordExtractor:
    """Takes the records from an answer."""

    @abstractmethod
    def extract_records(self, response: Response) -> Iterable[Mapping[str, Any]]:
        """The records."""
        raise NotImplementedError


@dataclass
class RecordExpander:
    """Makes several records of one; a list that is cut short it asks for, where it is told how."""

    expand_records_from_field: list[Any]
    config: Config
    parameters: InitVar[Mapping[str, Any]]
    remain_original_record: bool = False
    on_no_records: str = "skip"
    truncation_indicator_path: list[Any] | None = None
    truncated_list_retriever: Any = None
    parent_fields: list[Any] | None = None
    merge_parent: bool = False

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters
        self._cut = self._path(self.truncation_indicator_path or [])
        self._spread = transforms.Expand(
            path=self._path(self.expand_records_from_field),
            original=self.remain_original_record,
            merge=self.merge_parent,
            fields=tuple(
                (self._path(one["parent_path"]), self._path(one["record_path"]))
                for one in self.parent_fields or []
            ),
            empty="keep" if self.on_no_records == "emit_parent" else "skip",
        )

    def _path(self, keys: Iterable[Any]) -> tuple[str, ...]:
        made = (InterpolatedString.create(key, parameters=self._parameters) for key in keys)
        return tuple(str(key.eval(self.config)) for key in made)

    def expand_record(self, record: Any) -> Iterable[Any]:
        """The records that one holds; what is no mapping holds none but itself."""
        if not isinstance(record, Mapping):
            yield record
            return
        if self._cut and dpath.get(record, list(self._cut), default=None):
            found = False
            for made in self._completed(record):
                found = True
                yield made
            if found:
                return
        yield from transforms.expand(self._spread, dict(record))

    def _completed(self, record: Any) -> Iterator[Any]:
        """The items of the whole list, as the API gives it when asked for it."""
        where = "/".join(self._spread.path)
        if self.truncated_list_retriever is None:
            self._warn(f"lists at {where} are cut short, and nothing says how to get the rest")
            return
        piece = StreamSlice(partition={"parent_record": record}, cursor_slice={})
        count = 0
        for item in self.truncated_list_retriever.read_records({}, piece):
            count += 1
            data: Any = item.data if isinstance(item, Record) else item
            yield transforms.with_parent(self._spread, record, data)
        total = dpath.get(record, [*self._cut[:-1], "total_count"], default=None)
        if isinstance(total, int) and count < total:
            self._warn(f"of a list at {where} that has {total} items, the API gave {count}")

    def _warn(self, message: str) -> None:
        current().tell("list-cut", message)


@dataclass
class DpathExtractor(RecordExtractor):
    """Takes the records that stand at a path."""

    field_path: list[Any]
    config: Config
    parameters: InitVar[Mapping[str, Any]]
    decoder: Decoder = field(default_factory=lambda: JsonDecoder(parameters={}))
    record_expander: RecordExpander | None = None

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._field_path = [
            InterpolatedString.create(key, parameters=parameters) for key in self.field_path
        ]

    def extract_records(self, response: Response) -> Iterable[MutableMapping[Any, Any]]:
        """The records."""
        for body in self.decoder.decode(response):
            for record in self._found(body):
                if self.record_expander is None:
                    yield record
                else:
                    yield from self.record_expander.expand_record(record)

    def _found(self, body: Any) -> Iterator[Any]:
        path = [key.eval(self.config) for key in self._field_path]
        if not path:
            found = body
        elif "*" in path:
            found = dpath.values(body, path)
        else:
            found = dpath.get(body, path, default=[])
        if isinstance(found, list):
            yield from found
        elif found:
            yield found


@dataclass
class RecordFilter:
    """Keeps the records for which a condition holds."""

    parameters: InitVar[Mapping[str, Any]]
    config: Config
    condition: str = ""

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._filter_interpolator = InterpolatedBoolean(self.condition, parameters=parameters)

    def filter_records(
        self,
        records: Iterable[Mapping[str, Any]],
        stream_state: StreamState,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Iterable[Mapping[str, Any]]:
        """Those that are kept."""
        del stream_state
        seen = {"stream_slice": stream_slice, "next_page_token": next_page_token}
        for record in records:
            if self._filter_interpolator.eval(self.config, record=record, **seen):
                yield record


class TransformConfig(Flag):
    """How values are cast."""

    NoTransform = auto()
    DefaultSchemaNormalization = auto()
    CustomSchemaNormalization = auto()


class TypeTransformer:
    """Casts the values of records to the types of a schema."""

    def __init__(self, config: TransformConfig = TransformConfig.NoTransform) -> None:
        self._config = config
        self._custom: Callable[[Any, dict[str, Any]], Any] | None = None

    def registerCustomTransform(  # noqa: N802 (the name that is called)
        self, normalization_callback: Callable[[Any, dict[str, Any]], Any]
    ) -> Callable[[Any, dict[str, Any]], Any]:
        """Cast with a function of the component's own."""
        if not self._config & TransformConfig.CustomSchemaNormalization:
            raise Exception(  # noqa: TRY002 (what is raised there)
                "Please set TransformConfig.CustomSchemaNormalization config before registering"
            )
        self._custom = normalization_callback
        return normalization_callback

    def transform(self, record: dict[str, Any], schema: Mapping[str, Any]) -> None:
        """Cast the values where they stand."""
        if self._config & TransformConfig.NoTransform:
            return
        if self._config & TransformConfig.DefaultSchemaNormalization:
            change = transforms.Normalize(schema=dict(schema))
            record.update(transforms.apply(change, dict(record), Frame()))
        if self._custom is not None:
            self._deep(record, schema)

    def _deep(self, value: Any, schema: Any) -> Any:
        if not isinstance(schema, Mapping):
            return value
        if isinstance(value, dict):
            for key, inner in (schema.get("properties") or {}).items():
                if key in value:
                    value[key] = self._deep(value[key], inner)
        elif isinstance(value, list):
            value[:] = [self._deep(item, schema.get("items")) for item in value]
        return self._custom(value, dict(schema)) if self._custom else value

    @staticmethod
    def default_convert(original_item: Any, subschema: Mapping[str, Any]) -> Any:
        """One value cast to the type of its schema."""
        holder: dict[str, Any] = {"properties": {"value": dict(subschema)}}
        change = transforms.Normalize(schema=holder)
        return transforms.apply(change, {"value": original_item}, Frame())["value"]


@dataclass(eq=False)
class HttpSelector:
    """Takes, keeps and changes the records of an answer."""

    @abstractmethod
    def select_records(
        self,
        response: Response,
        stream_state: StreamState,
        records_schema: Mapping[str, Any],
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Iterable[Record]:
        """The records."""
        raise NotImplementedError


@dataclass
class RecordSelector(HttpSelector):
    """Takes, keeps and changes the records of an answer."""

    extractor: RecordExtractor
    config: Config
    parameters: InitVar[Mapping[str, Any]]
    schema_normalization: Any = None
    name: str = ""
    record_filter: RecordFilter | None = None
    transformations: list[RecordTransformation] = field(default_factory=list)
    transform_before_filtering: bool = False
    file_uploader: Any = None

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters
        if self.schema_normalization is None:
            self.schema_normalization = TypeTransformer()

    def select_records(
        self,
        response: Response,
        stream_state: StreamState,
        records_schema: Mapping[str, Any],
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Iterable[Record]:
        """The records."""
        found = list(self.extractor.extract_records(response))
        setattr(response, COUNT, len(found))
        yield from self.filter_and_transform(
            found, stream_state, records_schema, stream_slice, next_page_token
        )

    def filter_and_transform(
        self,
        all_data: Iterable[Mapping[str, Any]],
        stream_state: StreamState,
        records_schema: Mapping[str, Any],
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Iterable[Record]:
        """The records that are kept, changed."""
        data = all_data
        if self.transform_before_filtering:
            data = self._transform(data, stream_state, stream_slice)
        if self.record_filter is not None:
            data = self.record_filter.filter_records(
                data, stream_state=stream_state, stream_slice=stream_slice,
                next_page_token=next_page_token,
            )  # fmt: skip
        if not self.transform_before_filtering:
            data = self._transform(data, stream_state, stream_slice)
        for record in data:
            made = dict(record)
            self.schema_normalization.transform(made, records_schema)
            yield Record(data=made, stream_name=self.name, associated_slice=stream_slice)

    def _transform(
        self,
        records: Iterable[Mapping[str, Any]],
        stream_state: StreamState,
        stream_slice: StreamSlice | None,
    ) -> Iterable[Mapping[str, Any]]:
        for record in records:
            for change in self.transformations:
                change.transform(
                    record,  # type: ignore[arg-type]  # records are objects that may be changed
                    config=self.config, stream_state=stream_state, stream_slice=stream_slice,
                )  # fmt: skip
            yield record
