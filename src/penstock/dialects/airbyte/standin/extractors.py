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
    """Makes several records of one."""

    expand_records_from_field: list[Any]
    config: Config
    parameters: InitVar[Mapping[str, Any]]
    remain_original_record: bool = False
    on_no_records: str = "skip"

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters

    def expand_record(self, record: MutableMapping[Any, Any]) -> Iterable[MutableMapping[Any, Any]]:
        """The records that one holds."""
        path = tuple(
            str(InterpolatedString.create(k, parameters=self._parameters).eval(self.config))
            for k in self.expand_records_from_field
        )
        spread = transforms.Expand(
            path=path,
            original=self.remain_original_record,
            empty="keep" if self.on_no_records == "emit_parent" else "skip",
        )
        yield from transforms.expand(spread, dict(record))  # type: ignore[misc]  # objects all


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
