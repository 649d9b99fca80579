"""Cursors, state migrations and schema loaders, as components name and subclass them."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from penstock.dialects.airbyte.standin.dates import DatetimeParser
from penstock.dialects.airbyte.standin.interpolation import InterpolatedString
from penstock.dialects.airbyte.standin.models import UnionPartitionRouter
from penstock.dialects.airbyte.standin.request_options import RequestOption, RequestOptionType
from penstock.dialects.airbyte.standin.routers import StreamSlicer
from penstock.dialects.airbyte.standin.values import (
    AirbyteTracedException,
    Config,
    Record,
    StreamSlice,
    StreamState,
)
from penstock.errors import ExprError
from penstock.plan.slices import Duration, parse_duration, windows
from penstock.plan.windowed import Ruler, halved


class StateMigration:
    """Turns an older state into the one that is kept now."""

    @abstractmethod
    def should_migrate(self, stream_state: Mapping[str, Any]) -> bool:
        """Whether it is an older one."""
        raise NotImplementedError

    @abstractmethod
    def migrate(self, stream_state: Mapping[str, Any]) -> Mapping[str, Any]:
        """The state that is kept now."""
        raise NotImplementedError


class LegacyToPerPartitionStateMigration(StateMigration):
    """Turns a state by parent id into one by partition."""

    def __init__(
        self, partition_router: Any, cursor: Any, config: Config, parameters: Mapping[str, Any]
    ) -> None:
        self._partition_router, self._cursor = partition_router, cursor
        self._config, self._parameters = config, parameters
        self._partition_key_field = self._text(self._get_partition_field(partition_router))
        self._cursor_field = self._text(cursor.cursor_field)

    def _get_partition_field(self, partition_router: Any) -> str:
        if isinstance(partition_router, UnionPartitionRouter):
            return str(partition_router.partition_field)
        first = partition_router.parent_stream_configs[0]
        return str(first["partition_field"] if isinstance(first, dict) else first.partition_field)

    def _text(self, given: Any) -> str:
        made = InterpolatedString.create(given, parameters=self._parameters)
        return str(made.eval(self._config))

    def should_migrate(self, stream_state: Mapping[str, Any]) -> bool:
        """Whether it is one by parent id."""
        return (
            bool(stream_state)
            and "states" not in stream_state
            and all(
                isinstance(value, dict) and list(value) == [self._cursor_field]
                for value in stream_state.values()
            )
        )

    def migrate(self, stream_state: Mapping[str, Any]) -> Mapping[str, Any]:
        """The one by partition."""
        name = self._partition_key_field
        return {"states": [{"partition": {name: k}, "cursor": v} for k, v in stream_state.items()]}


@dataclass(eq=False)
class CursorField:
    """The field of a record that says how new it is."""

    cursor_field_key: str

    def extract_value(self, record: Record) -> Any:
        """How new a record is.

        Raises:
            ValueError: it does not have the field.
        """
        value = record.data.get(self.cursor_field_key)
        if value is None:
            raise ValueError(f"Could not find cursor field {self.cursor_field_key} in record")
        return value


class Cursor(StreamSlicer):
    """Cuts a stream by what is new; its subclasses are named by components, not run by them."""

    def stream_slices(self) -> Iterable[StreamSlice]:
        """None: the run cuts the stream itself."""
        return ()


class FinalStateCursor(Cursor):
    """The cursor of a stream that is read in full."""


class ConcurrentCursor(Cursor):
    """A cursor of times, as far as a retriever asks it: how its windows are cut in two."""

    def __init__(
        self, bounds: tuple[str, str], spelled: str, granularity: timedelta | None = None
    ) -> None:
        self._bounds, self._spelled, self._granularity = bounds, spelled, granularity

    def split_request_window(
        self, stream_slice: StreamSlice, min_split_window: timedelta | None = None
    ) -> list[StreamSlice] | None:
        """The halves of a slice; None where it cannot be cut.

        Raises:
            AirbyteTracedException: it has no bounds, or they are no times.
        """
        if not self._granularity:
            return None
        ruler = Ruler(granularity=Duration(seconds=self._granularity.total_seconds()))
        cut = halved(*self._window(stream_slice), ruler, min_split_window)
        return cut and [
            StreamSlice(
                partition=stream_slice.partition,
                cursor_slice=dict(zip(self._bounds, map(self._text, half), strict=True)),
                extra_fields=stream_slice.extra_fields,
            )
            for half in cut
        ]

    def _window(self, piece: StreamSlice) -> tuple[datetime, datetime]:
        try:
            first, last = (piece.cursor_slice[name] for name in self._bounds)
            parser = DatetimeParser()
            return parser.parse(first, self._spelled), parser.parse(last, self._spelled)
        except (KeyError, ValueError, TypeError, ExprError) as exc:
            message = f"a window cannot be cut: {self._bounds} of {piece} are no times"
            raise AirbyteTracedException(message=message) from exc

    def _text(self, moment: datetime) -> str:
        return DatetimeParser().format(moment, self._spelled)


class ConcurrentPerPartitionCursor(ConcurrentCursor):
    """A cursor for each partition; their windows are cut alike."""


class ConcurrentCursorFactory:
    """What makes the cursor of a partition."""


class DeclarativeCursor(StreamSlicer):
    """Cuts a stream by what is new."""

    def set_initial_state(self, stream_state: StreamState) -> None:
        """Take up a state."""

    def get_stream_state(self) -> StreamState:
        """The state."""
        return {}

    def observe(self, stream_slice: StreamSlice, record: Record) -> None:
        """Look at a record."""

    def close_slice(self, stream_slice: StreamSlice, *args: Any) -> None:
        """A slice is over."""

    def should_be_synced(self, record: Record) -> bool:
        """Whether a record is new."""
        del record
        return True


@dataclass
class MinMaxDatetime:
    """A point in time between bounds."""

    datetime: Any
    parameters: InitVar[Mapping[str, Any]]
    datetime_format: str = ""
    min_datetime: Any = ""
    max_datetime: Any = ""

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters

    def get_datetime(self, config: Config, **additional_parameters: Any) -> Any:
        """The point in time."""
        spelled = self.datetime_format or "%Y-%m-%dT%H:%M:%S.%f%z"

        def moment(given: Any) -> Any:
            made = InterpolatedString.create(given, parameters=self._parameters)
            return DatetimeParser().parse(str(made.eval(config, **additional_parameters)), spelled)

        found = moment(self.datetime)
        if self.min_datetime:
            found = max(found, moment(self.min_datetime))
        return min(found, moment(self.max_datetime)) if self.max_datetime else found

    @classmethod
    def create(
        cls, interpolated_string_or_min_max_datetime: Any, parameters: Mapping[str, Any]
    ) -> MinMaxDatetime:
        """A text as one of these, unless it is one already."""
        given = interpolated_string_or_min_max_datetime
        return given if isinstance(given, cls) else cls(datetime=given, parameters=parameters)


@dataclass
class DatetimeBasedCursor(DeclarativeCursor):
    """Cuts a stream into windows of time."""

    start_datetime: Any
    cursor_field: Any
    datetime_format: str
    config: Config
    parameters: InitVar[Mapping[str, Any]]
    end_datetime: Any = None
    step: Any = None
    cursor_granularity: str | None = None
    start_time_option: RequestOption | None = None
    end_time_option: RequestOption | None = None
    partition_field_start: str | None = None
    partition_field_end: str | None = None
    lookback_window: Any = None
    message_repository: Any = None
    is_compare_strictly: bool | None = False
    cursor_datetime_formats: list[str] = field(default_factory=list)

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters
        self._cursor_field = self._made(self.cursor_field)
        self._partition_field_start = self._made(self.partition_field_start or "start_time")
        self._partition_field_end = self._made(self.partition_field_end or "end_time")
        self._parser = DatetimeParser()
        self._cursor: str | None = None
        self._highest: str | None = None

    def _made(self, given: Any) -> InterpolatedString:
        return InterpolatedString.create(given, parameters=self._parameters)

    def parse_date(self, date: str) -> datetime:
        """The time a text spells in one of the formats."""
        for spelled in [*self.cursor_datetime_formats, self.datetime_format]:
            try:
                return self._parser.parse(date, spelled)
            except ValueError:
                continue
        raise ValueError(f"No format in {self.cursor_datetime_formats} matching {date}")

    def _format_datetime(self, dt: datetime) -> str:
        return self._parser.format(dt, self.datetime_format)

    def set_initial_state(self, stream_state: StreamState) -> None:
        """Take up a state."""
        self._cursor = (
            stream_state.get(self._cursor_field.eval(self.config)) if stream_state else None
        )

    def get_stream_state(self) -> StreamState:
        """The state."""
        return {self._cursor_field.eval(self.config): self._cursor} if self._cursor else {}

    def observe(self, stream_slice: StreamSlice, record: Record) -> None:
        """Look at a record."""
        del stream_slice
        value = record.get(self._cursor_field.eval(self.config))
        if value and (not self._highest or self.parse_date(value) > self.parse_date(self._highest)):
            self._highest = value

    def close_slice(self, stream_slice: StreamSlice, *args: Any) -> None:
        """A slice is over."""
        del stream_slice, args
        if self._highest:
            self._cursor = self._highest

    def _bound(self, given: Any) -> Any:
        made = MinMaxDatetime.create(given, self._parameters)
        made.datetime_format = made.datetime_format or self.datetime_format
        return made.get_datetime(self.config)

    def stream_slices(self) -> Iterable[StreamSlice]:
        """The windows."""
        end = self._bound(self.end_datetime) if self.end_datetime else datetime.now(UTC)
        start = self._bound(self.start_datetime)
        if self._cursor:
            start = max(start, self.parse_date(self._cursor))
        names = [
            f.eval(self.config) for f in (self._partition_field_start, self._partition_field_end)
        ]
        step = parse_duration(str(self._made(self.step).eval(self.config))) if self.step else None
        gap = parse_duration(self.cursor_granularity) if self.cursor_granularity else Duration()
        cut = windows(start, end, step, gap) if step else [(start, end)]
        for lower, upper in cut:
            window = dict(zip(names, map(self._format_datetime, (lower, upper)), strict=True))
            yield StreamSlice(partition={}, cursor_slice=window)

    def select_state(self, stream_slice: StreamSlice | None = None) -> Mapping[str, Any] | None:
        """The state."""
        del stream_slice
        return self.get_stream_state()

    def _get_request_option(
        self, request_option_type: RequestOptionType, stream_slice: StreamSlice | None
    ) -> Mapping[str, Any]:
        made: dict[str, Any] = {}
        both = ((self.start_time_option, self._partition_field_start),
                (self.end_time_option, self._partition_field_end))  # fmt: skip
        for option, name in both:
            if option and option.inject_into == request_option_type and stream_slice:
                value = stream_slice.get(name.eval(self.config))
                option.inject_into_request(made, value, self.config)
        return made


@dataclass
class SchemaLoader:
    """Gives the schema of a stream."""

    @abstractmethod
    def get_json_schema(self) -> Mapping[str, Any]:
        """The schema."""
        raise NotImplementedError


@dataclass
class InlineSchemaLoader(SchemaLoader):
    """Gives a schema that stands in the manifest."""

    schema: dict[str, Any]
    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        del parameters

    def get_json_schema(self) -> Mapping[str, Any]:
        """The schema."""
        return self.schema


@dataclass
class JsonFileSchemaLoader(SchemaLoader):
    """Gives a schema that stands in a file."""

    config: Config
    parameters: InitVar[Mapping[str, Any]]
    file_path: Any = ""

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters
        text = self.file_path or "./schemas/{{ parameters['name'] }}.json"
        self.file_path = InterpolatedString.create(text, parameters=parameters)

    def _get_json_filepath(self) -> Any:
        return self.file_path.eval(self.config)

    def get_json_schema(self) -> Mapping[str, Any]:
        """The schema."""
        found: Mapping[str, Any] = json.loads(Path(self._get_json_filepath()).read_text("utf-8"))
        return found


@dataclass
class DefaultSchemaLoader(SchemaLoader):
    """Gives the schema of the file named after the stream, or none."""

    config: Config
    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self.default_loader = JsonFileSchemaLoader(config=self.config, parameters=parameters)

    def get_json_schema(self) -> Mapping[str, Any]:
        """The schema."""
        try:
            return self.default_loader.get_json_schema()
        except (OSError, ValueError):
            return {}
