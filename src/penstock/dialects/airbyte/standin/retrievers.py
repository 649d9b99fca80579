"""Retrievers and streams: pages read one after the other, as components call and override it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import InitVar, dataclass, field
from datetime import timedelta
from typing import Any

from penstock.dialects.airbyte.standin.extractors import HttpSelector
from penstock.dialects.airbyte.standin.failures import (
    RequestWindowSplitNotSupportedException,
    RequestWindowSplitRequiredException,
)
from penstock.dialects.airbyte.standin.paginators import NoPagination, Paginator, accepted
from penstock.dialects.airbyte.standin.request_options import (
    DefaultRequestOptionsProvider,
    RequestOptionsProvider,
)
from penstock.dialects.airbyte.standin.requesters import Requester
from penstock.dialects.airbyte.standin.routers import SinglePartitionRouter, StreamSlicer, as_slice
from penstock.dialects.airbyte.standin.values import (
    AirbyteTracedException,
    Config,
    FailureType,
    Record,
    StreamSlice,
    StreamState,
    SyncMode,
    combine_mappings,
)
from penstock.dialects.python.running import current
from penstock.dialects.python.web import Response

FULL_REFRESH_SYNC_COMPLETE_KEY = "__ab_full_refresh_sync_complete"
MOST_CUTS = 10


class Retriever:
    """Reads the records of a slice."""

    @abstractmethod
    def read_records(
        self, records_schema: Mapping[str, Any], stream_slice: StreamSlice | None = None
    ) -> Iterable[Any]:
        """The records."""
        raise NotImplementedError

    def stream_slices(self) -> Iterable[StreamSlice | None]:
        """The slices."""
        return [None]

    @property
    def state(self) -> StreamState:
        """What was read; the run keeps that."""
        return {}

    @state.setter
    def state(self, value: StreamState) -> None:
        """Nothing: the run keeps state itself."""
        del value


@dataclass(frozen=True)
class RequestWindowSplitting:
    """That windows which are too large are read in halves, and how short they may become."""

    failure_message: str | None = None
    min_split_window: timedelta | None = None


@dataclass
class SimpleRetriever(Retriever):
    """Reads the pages of a slice, one after the other."""

    requester: Requester
    record_selector: HttpSelector
    config: Config
    parameters: InitVar[Mapping[str, Any]]
    name: str = ""
    primary_key: Any = None
    paginator: Paginator | None = None
    stream_slicer: StreamSlicer = field(
        default_factory=lambda: SinglePartitionRouter(parameters={})
    )
    request_option_provider: RequestOptionsProvider = field(
        default_factory=lambda: DefaultRequestOptionsProvider(parameters={})
    )
    cursor: Any = None
    ignore_stream_slicer_parameters_on_paginated_requests: bool = False
    additional_query_properties: Any = None
    log_formatter: Any = None
    request_window_splitting: RequestWindowSplitting | None = None
    request_window_splitter: Any = None

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters
        self._paginator = self.paginator or NoPagination(parameters=parameters)

    def stream_slices(self) -> Iterable[StreamSlice | None]:
        """The slices."""
        return self.stream_slicer.stream_slices()

    def _options(
        self,
        name: str,
        stream_slice: StreamSlice | None,
        next_page_token: Mapping[str, Any] | None,
    ) -> Any:
        where = {"stream_slice": stream_slice, "next_page_token": next_page_token}
        made = [getattr(self._paginator, name)(**where)]
        if not next_page_token or not self.ignore_stream_slicer_parameters_on_paginated_requests:
            made.append(getattr(self.request_option_provider, name)(**where))
        return combine_mappings(made, name == "get_request_body_json")

    def _request_headers(
        self,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        made = self._options("get_request_headers", stream_slice, next_page_token)
        return {str(k): str(v) for k, v in made.items()}

    def _request_params(
        self,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        made: Mapping[str, Any] = self._options("get_request_params", stream_slice, next_page_token)
        return made

    def _request_body_data(
        self,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any] | str:
        made: Mapping[str, Any] | str = self._options(
            "get_request_body_data", stream_slice, next_page_token
        )
        return made

    def _request_body_json(
        self,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any] | None:
        made: Mapping[str, Any] | None = self._options(
            "get_request_body_json", stream_slice, next_page_token
        )
        return made

    def _paginator_path(
        self,
        next_page_token: Mapping[str, Any] | None = None,
        stream_slice: StreamSlice | None = None,
    ) -> str | None:
        return self._paginator.path(
            next_page_token=next_page_token, stream_state={}, stream_slice=stream_slice
        )

    def _parse_response(
        self,
        response: Response | None,
        records_schema: Mapping[str, Any],
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Iterable[Record]:
        if response:
            yield from self.record_selector.select_records(
                response=response, stream_state={}, records_schema=records_schema,
                stream_slice=stream_slice, next_page_token=next_page_token,
            )  # fmt: skip

    def _parse_records(
        self,
        response: Response | None,
        records_schema: Mapping[str, Any],
        stream_slice: StreamSlice | None,
    ) -> Iterable[Record]:
        yield from self._parse_response(
            response, records_schema=records_schema, stream_slice=stream_slice
        )

    def _next_page_token(
        self,
        response: Response,
        last_page_size: int,
        last_record: Record | None,
        last_page_token_value: Any = None,
        stream_slice: StreamSlice | None = None,
    ) -> Mapping[str, Any] | None:
        ask = self._paginator.next_page_token
        more = accepted(ask, last_page_token_value=last_page_token_value, stream_slice=stream_slice)
        return ask(
            response=response, last_page_size=last_page_size, last_record=last_record, **more
        )

    def _get_initial_next_page_token(self) -> Mapping[str, Any] | None:
        first = self._paginator.get_initial_token()
        return None if first is None else {"next_page_token": first}

    def _fetch_next_page(
        self, stream_slice: StreamSlice, next_page_token: Mapping[str, Any] | None = None
    ) -> Response | None:
        where: Any = {"stream_slice": stream_slice, "next_page_token": next_page_token}
        return self.requester.send_request(
            path=self._paginator_path(next_page_token, stream_slice),
            stream_state={},
            **where,
            request_headers=self._request_headers(**where),
            request_params=self._request_params(**where),
            request_body_data=self._request_body_data(**where),
            request_body_json=self._request_body_json(**where),
            log_formatter=self.log_formatter,
        )

    def _read_pages(
        self,
        records_generator_fn: Callable[[Response | None], Iterable[Record]],
        stream_slice: StreamSlice,
    ) -> Iterable[Record]:
        token = self._get_initial_next_page_token()
        known: list[Any] = []
        while True:
            response = self._fetch_next_page(stream_slice, token)
            count, last = 0, None
            for record in records_generator_fn(response):
                count, last = count + 1, record
                yield record
            if not response:
                return
            value = (token or {}).get("next_page_token")
            known.append(value)
            token = self._next_page_token(
                response, count, last, **accepted(
                    self._next_page_token, last_page_token_value=value, stream_slice=stream_slice
                ),
            )  # fmt: skip
            if not token:
                return
            if token.get("next_page_token") in known:
                raise ValueError(f"pagination came back to {token.get('next_page_token')!r}")

    def read_records(
        self, records_schema: Mapping[str, Any], stream_slice: StreamSlice | None = None
    ) -> Iterable[Any]:
        """The records."""
        piece = stream_slice or StreamSlice(partition={}, cursor_slice={})
        yield from self._read_window(records_schema, piece, MOST_CUTS)

    def _read_window(
        self, records_schema: Mapping[str, Any], piece: StreamSlice, cuts: int
    ) -> Iterable[Any]:
        """The records of a window, or of its halves where it is too large."""

        def parsed(response: Response | None) -> Iterable[Record]:
            return self._parse_records(response, records_schema, piece)

        try:
            yield from self._read_pages(parsed, piece)
        except RequestWindowSplitRequiredException as exc:
            for half in self._halves(piece, cuts, exc):
                yield from self._read_window(records_schema, half, cuts - 1)

    def _halves(
        self, piece: StreamSlice, cuts: int, exc: RequestWindowSplitRequiredException
    ) -> list[StreamSlice]:
        how, cut = self.request_window_splitting, self.request_window_splitter
        if how is None or cut is None:
            raise RequestWindowSplitNotSupportedException(stream_name=self.name) from exc
        found: list[StreamSlice] | None = cut(piece, how.min_split_window) if cuts else None
        if found is None:
            said = [f"the API refuses the smallest window of {self.name} there may be: {exc}"]
            said += [how.failure_message] if how.failure_message else []
            kind = FailureType.transient_error
            raise AirbyteTracedException(message=" ".join(said), failure_type=kind) from exc
        return found


class Partition:
    """A slice of a stream, ready to be read."""

    def __init__(self, stream: DeclarativeStream, piece: StreamSlice, records: list[Any]) -> None:
        self._stream, self._piece, self._records = stream, piece, records

    def read(self) -> Iterable[Record]:
        """Its records."""
        for data in self._records:
            yield Record(data, self._stream.name, self._piece)

    def to_slice(self) -> StreamSlice:
        """The slice."""
        return self._piece

    def stream_name(self) -> str:
        """The stream's name."""
        return self._stream.name


class _Observer:
    """A cursor that the run keeps itself."""

    def observe(self, record: Any) -> None:
        """Nothing: the run looks at records itself."""

    def close_partition(self, partition: Any) -> None:
        """Nothing: the run closes slices itself."""

    def ensure_at_least_one_state_emitted(self) -> None:
        """Nothing: the run keeps state itself."""

    @property
    def state(self) -> Mapping[str, Any]:
        """None."""
        return {}


class DeclarativeStream:
    """Another stream of the source, read by the run; components read parents so."""

    def __init__(self, name: str, reads: str, **shown: Any) -> None:
        self.name = name
        self._reads = reads
        self.cursor = _Observer()
        self.state: Any = {}
        self.__dict__.update(shown)

    def read_only_records(self, state: Any = None) -> Iterator[Mapping[str, Any]]:
        """Every record."""
        del state
        for partition in self.generate_partitions():
            yield from partition.read()

    def read_records(
        self,
        sync_mode: SyncMode = SyncMode.full_refresh,
        cursor_field: Any = None,
        stream_slice: Mapping[str, Any] | None = None,
        stream_state: Any = None,
    ) -> Iterator[Mapping[str, Any]]:
        """The records of a slice, or of all."""
        del sync_mode, cursor_field, stream_state
        for partition in self.generate_partitions():
            if not stream_slice or partition.to_slice() == stream_slice:
                for record in partition.read():
                    yield dict(record.data)

    def stream_slices(self, **kwargs: Any) -> Iterator[StreamSlice]:
        """The slices that hold records."""
        del kwargs
        return (partition.to_slice() for partition in self.generate_partitions())

    def generate_partitions(self) -> Iterator[Partition]:
        """The slices that hold records, ready to be read."""
        held: list[Any] = []
        last: StreamSlice | None = None
        for piece, data in current().records(self._reads):
            here = as_slice(piece)
            if last is not None and here != last:
                yield Partition(self, last, held)
                held = []
            last = here
            held.append(data)
        if last is not None:
            yield Partition(self, last, held)


AbstractStream = Stream = DefaultStream = HttpStream = DeclarativeStream
