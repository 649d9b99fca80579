"""Partition routers, as components name and subclass them."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass
from typing import Any

from penstock.dialects.airbyte.standin import paths as dpath
from penstock.dialects.airbyte.standin.interpolation import InterpolatedString
from penstock.dialects.airbyte.standin.request_options import (
    Placed,
    RequestOption,
    RequestOptionType,
)
from penstock.dialects.airbyte.standin.values import Config, StreamSlice, StreamState
from penstock.plan.slices import Slice


@dataclass(eq=False)
class StreamSlicer(Placed):
    """Cuts a stream into slices."""

    @abstractmethod
    def stream_slices(self) -> Iterable[StreamSlice]:
        """The slices."""
        raise NotImplementedError


@dataclass
class PartitionRouter(StreamSlicer):
    """Cuts a stream into partitions."""

    def get_stream_state(self) -> Mapping[str, StreamState] | None:
        """What was read of parents; the run keeps that."""
        return None

    def set_initial_state(self, stream_state: StreamState) -> None:
        """Nothing: the run keeps state itself."""

    @property
    def logger(self) -> logging.Logger:
        """Its log."""
        return logging.getLogger("airbyte.PartitionRouter")


@dataclass
class SinglePartitionRouter(PartitionRouter):
    """One partition."""

    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        del parameters

    def stream_slices(self) -> Iterable[StreamSlice]:
        """The one."""
        yield StreamSlice(partition={}, cursor_slice={})


@dataclass
class ListPartitionRouter(PartitionRouter):
    """A partition for each value of a list."""

    values: Any
    cursor_field: Any
    config: Config
    parameters: InitVar[Mapping[str, Any]]
    request_option: RequestOption | None = None

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        if isinstance(self.values, str):
            text = InterpolatedString.create(self.values, parameters=parameters)
            self.values = text.eval(self.config)
        self._cursor_field = InterpolatedString.create(self.cursor_field, parameters=parameters)
        self._cursor = None

    def stream_slices(self) -> Iterable[StreamSlice]:
        """The partitions."""
        name = self._cursor_field.eval(self.config)
        return [StreamSlice(partition={name: v}, cursor_slice={}) for v in self.values]

    def _get_request_option(
        self, request_option_type: RequestOptionType, stream_slice: StreamSlice | None
    ) -> Mapping[str, Any]:
        option, made = self.request_option, {}  # type: RequestOption | None, dict[str, Any]
        if option is not None and option.inject_into == request_option_type and stream_slice:
            value = stream_slice.get(self._cursor_field.eval(self.config))
            if value:
                option.inject_into_request(made, value, self.config)
        return made


@dataclass
class ParentStreamConfig:
    """A parent stream, and which value of its records makes a partition."""

    stream: Any
    parent_key: Any
    partition_field: Any
    config: Config
    parameters: InitVar[Mapping[str, Any]]
    extra_fields: Any = None
    request_option: RequestOption | None = None
    incremental_dependency: bool = False
    lazy_read_pointer: Any = None

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        def text(given: Any) -> InterpolatedString:
            return InterpolatedString.create(given, parameters=parameters)

        self.parent_key, self.partition_field = text(self.parent_key), text(self.partition_field)
        if self.extra_fields:
            self.extra_fields = [[text(key) for key in path] for path in self.extra_fields]


@dataclass
class SubstreamPartitionRouter(PartitionRouter):
    """A partition for each record of parent streams."""

    parent_stream_configs: list[ParentStreamConfig]
    config: Config
    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        if not self.parent_stream_configs:
            raise ValueError("SubstreamPartitionRouter needs at least 1 parent stream")
        self._parameters = parameters

    def stream_slices(self) -> Iterable[StreamSlice]:
        """The partitions."""
        for parent in self.parent_stream_configs:
            for partition in parent.stream.generate_partitions():
                for record in partition.read():
                    made = self._slice(parent, record)
                    if made is not None:
                        yield made

    def _slice(self, parent: ParentStreamConfig, record: Any) -> StreamSlice | None:
        value = dpath.get(record.data, parent.parent_key.eval(self.config), default=None)
        if value is None:
            return None
        above = record.associated_slice.partition if record.associated_slice else {}
        name = parent.partition_field.eval(self.config)
        extra = self._extract_extra_fields(record.data, self._extra(parent))
        return StreamSlice(
            partition={name: value, "parent_slice": above or {}},
            cursor_slice={},
            extra_fields=extra,
        )

    def _extra(self, parent: ParentStreamConfig) -> list[list[str]] | None:
        given = parent.extra_fields
        return [[k.eval(self.config) for k in path] for path in given] if given else None

    def _extract_extra_fields(
        self, parent_record: Mapping[str, Any], extra_fields: list[list[str]] | None = None
    ) -> Mapping[str, Any]:
        found = {}
        for path in extra_fields or ():
            found[".".join(path)] = dpath.get(parent_record, path, default=None)
        return found

    def _get_request_option(
        self, request_option_type: RequestOptionType, stream_slice: StreamSlice | None
    ) -> Mapping[str, Any]:
        made: dict[str, Any] = {}
        for parent in self.parent_stream_configs:
            option = parent.request_option
            if option is not None and option.inject_into == request_option_type and stream_slice:
                value = stream_slice.get(parent.partition_field.eval(self.config))
                if value:
                    option.inject_into_request(made, value, self.config)
        return made


@dataclass
class CartesianProductStreamSlicer(PartitionRouter):
    """Every combination of the partitions of several routers."""

    stream_slicers: list[PartitionRouter]
    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        del parameters

    def stream_slices(self) -> Iterable[StreamSlice]:
        """The combinations."""
        made = [StreamSlice(partition={}, cursor_slice={})]
        for slicer in self.stream_slicers:
            more = list(slicer.stream_slices())
            made = [_both(one, other) for one in made for other in more]
        return made

    def _get_request_option(
        self, request_option_type: RequestOptionType, stream_slice: StreamSlice | None
    ) -> Mapping[str, Any]:
        made: dict[str, Any] = {}
        for slicer in reversed(self.stream_slicers):
            made.update(slicer._get_request_option(request_option_type, stream_slice))  # noqa: SLF001 (of the same kind)
        return made


def _both(one: StreamSlice, other: StreamSlice) -> StreamSlice:
    return StreamSlice(
        partition={**other.partition, **one.partition},
        cursor_slice={**other.cursor_slice, **one.cursor_slice},
        extra_fields={**other.extra_fields, **one.extra_fields},
    )


def as_slice(piece: Slice, names: tuple[str, str] = ("start_time", "end_time")) -> StreamSlice:
    """A slice of the plan as components see it."""
    window = {}
    if piece.range is not None:
        bounds = (piece.range.start, piece.range.end)
        window = {n: b for n, b in zip(names, bounds, strict=True) if b is not None}
    partition: dict[str, Any] = dict(piece.partition)
    extra = dict(piece.seen)
    return StreamSlice(
        partition=partition,
        cursor_slice={k: v for k, v in window.items() if k not in partition},
        extra_fields=extra,
    )
