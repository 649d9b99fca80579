"""Objects of components.py → the callables of the plan."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from penstock.dialects.airbyte.standin.building import Instance
from penstock.dialects.airbyte.standin.decoders import JsonDecoder
from penstock.dialects.airbyte.standin.extractors import COUNT
from penstock.dialects.airbyte.standin.paginators import accepted
from penstock.dialects.airbyte.standin.values import Record, StreamSlice
from penstock.dialects.python import web
from penstock.dialects.python.calling import Calling, plain
from penstock.errors import PlanError, ReadError
from penstock.plan import paths
from penstock.plan.auth import Auth
from penstock.plan.door import Door, Remembered, Taken
from penstock.plan.expr import Frame, JsonValue
from penstock.plan.page import HttpRequest, HttpResponse, Token
from penstock.plan.policy import Action, ErrorPolicy, Verdict
from penstock.plan.python import LastPage
from penstock.plan.request import Slot, Value
from penstock.plan.slices import Slice
from penstock.plan.source import Source

Bounds = tuple[str, str] | None


def slice_of(frame: Frame, bounds: Bounds) -> StreamSlice:
    """The slice of a frame, as components see it."""
    window: Any = frame.slice.get("cursor") or {}
    partition: dict[str, Any] = dict(frame.slice.get("partition") or {})  # type: ignore[arg-type]  # a mapping
    extra: dict[str, Any] = dict(frame.slice.get("extra") or {})  # type: ignore[arg-type]  # a mapping
    names = bounds or ("start_time", "end_time")
    named = {n: window[k] for n, k in zip(names, ("start", "end"), strict=True) if k in window}
    named = {n: v for n, v in named.items() if n not in partition and v is not None}
    return StreamSlice(partition=partition, cursor_slice=named, extra_fields=extra)


class Alone:
    """The door of what is called before a run: there is nothing to ask."""

    def __init__(self, values: Mapping[str, JsonValue]) -> None:
        self.values = values
        self.kept: dict[object, object] = {}

    def send(self, request: HttpRequest) -> HttpResponse:
        """Refused."""
        raise ReadError(f"{request.url} cannot be asked before the run begins")

    def ask(
        self, request: HttpRequest, auth: Auth, policy: ErrorPolicy, frame: Frame
    ) -> HttpResponse:
        """Refused."""
        del auth, policy, frame
        return self.send(request)

    def records(self, *streams: str) -> Iterator[tuple[Slice, JsonValue]]:
        """Refused."""
        raise ReadError(f"{', '.join(streams)} cannot be read before the run begins")

    def read(
        self, source: Source, values: Mapping[str, JsonValue], *streams: str
    ) -> Iterator[JsonValue]:
        """Refused."""
        del source, values
        raise ReadError(f"{', '.join(streams)} cannot be read before the run begins")

    def allows(self, url: str) -> bool:
        """Nothing is named."""
        del url
        return False

    def seconds(self) -> float:
        """Time does not pass."""
        return 0.0

    def pause(self, seconds: float) -> None:
        """Nothing is waited for."""

    def remembered(self) -> Remembered:
        """Refused."""
        raise ReadError("nothing is remembered before the run begins")

    def tell(self, code: str, message: str) -> None:
        """Nothing is read that could be spoken of."""


def _at(value: JsonValue, path: tuple[str, ...]) -> list[JsonValue]:
    """The records at a path of one decoded value."""
    found: JsonValue = list(paths.find(value, path)) if paths.is_pattern(path) else None
    if found is None:
        found = paths.at(value, path)[1] if path else value
    if isinstance(found, list):
        return found
    return [found] if found else []


class Caller:
    """Calls one object of a components.py for the plan."""

    def __init__(self, instance: Instance, file: str, name: str, bounds: Bounds = None) -> None:
        self._instance = instance
        self._file = file
        self.name = name
        self._bounds = bounds
        self._lock = threading.Lock()

    def _call(self, door: Door, work: Callable[[Any], Any]) -> Any:
        with Calling(door, self._file, self.name):
            return work(self._instance.of(door))

    def _slice(self, frame: Frame) -> StreamSlice:
        return slice_of(frame, self._bounds)

    # Records.

    def extract(self, door: Door, response: HttpResponse, frame: Frame) -> Taken:
        """The records of an answer."""
        del frame

        def work(held: Any) -> Taken:
            answer = web.Response.of(response)
            found = tuple(plain(record) for record in held.extract_records(answer))
            decoder = getattr(held, "decoder", None) or JsonDecoder(parameters={})
            return Taken(records=found, answer=_first(decoder, answer))

        taken: Taken = self._call(door, work)
        return taken

    def decoded(self, path: tuple[str, ...]) -> Callable[[Door, HttpResponse, Frame], Taken]:
        """The records at a path of what a decoder makes of an answer."""

        def extract(door: Door, response: HttpResponse, frame: Frame) -> Taken:
            del frame

            def work(held: Any) -> Taken:
                values = [plain(value) for value in held.decode(web.Response.of(response))]
                records = tuple(record for value in values for record in _at(value, path))
                return Taken(records=records, answer=values[0] if values else {})

            taken: Taken = self._call(door, work)
            return taken

        return extract

    def keep(self, door: Door, records: list[JsonValue], frame: Frame) -> Iterable[JsonValue]:
        """Those records that a filter keeps."""

        def work(held: Any) -> list[JsonValue]:
            kept = held.filter_records(
                records, stream_state={}, stream_slice=self._slice(frame), next_page_token=None
            )
            return [plain(record) for record in kept]

        found: list[JsonValue] = self._call(door, work)
        return found

    def change(self, door: Door, records: list[JsonValue], frame: Frame) -> Iterable[JsonValue]:
        """The records as a transformation changes them."""

        def work(held: Any) -> list[JsonValue]:
            piece, config = self._slice(frame), door.kept.get("config", {})
            for record in records:
                held.transform(record, config=config, stream_state={}, stream_slice=piece)
            return [plain(record) for record in records]

        found: list[JsonValue] = self._call(door, work)
        return found

    def expand(self, door: Door, records: list[JsonValue], frame: Frame) -> Iterable[JsonValue]:
        """The records that an expander makes of each."""
        del frame

        def work(held: Any) -> list[JsonValue]:
            return [plain(made) for record in records for made in held.expand_record(record)]

        found: list[JsonValue] = self._call(door, work)
        return found

    def normalize(
        self, schema: JsonValue
    ) -> Callable[[Door, list[JsonValue], Frame], Iterable[JsonValue]]:
        """The records as a normalization casts them to a schema."""

        def change(door: Door, records: list[JsonValue], frame: Frame) -> Iterable[JsonValue]:
            del frame

            def work(held: Any) -> list[JsonValue]:
                for record in records:
                    held.transform(record, schema or {})
                return [plain(record) for record in records]

            found: list[JsonValue] = self._call(door, work)
            return found

        return change

    # Requests.

    def sign(self, door: Door, request: HttpRequest) -> HttpRequest:
        """A request with its credentials; one at a time, for a token may have to be obtained."""

        def work(held: Any) -> HttpRequest:
            with self._lock:
                return _signed(held, request)

        signed: HttpRequest = self._call(door, work)
        return signed

    def renew(self, door: Door, request: HttpRequest, refused: HttpRequest) -> bool:
        """Whether the class can obtain another token; it has one, unless another call was first."""

        def work(held: Any) -> bool:
            refresh = getattr(held, "refresh_and_set_access_token", None)
            if refresh is None:
                return False
            with self._lock:
                if _signed(held, request).headers == refused.headers:
                    refresh()
            return True

        able: bool = self._call(door, work)
        return able

    def send(self, door: Door, frame: Frame, token: JsonValue, values: list[Value]) -> HttpResponse:
        """The answer to the request that a requester shapes."""

        def work(held: Any) -> HttpResponse:
            path = next((str(v) for slot, v in values if slot.place == "url"), None)
            answer = held.send_request(
                path=path,
                stream_state={},
                stream_slice=self._slice(frame),
                next_page_token=None if token is None else {"next_page_token": token},
                request_headers=_placed(values, "header"),
                request_params=_placed(values, "query"),
                request_body_data=_placed(values, "form"),
                request_body_json=_placed(values, "json"),
            )
            return _answered(answer)

        response: HttpResponse = self._call(door, work)
        return response

    # Pages.

    def first(self, door: Door) -> Token:
        """The token of the first page."""
        token: Token = self._call(door, lambda held: getattr(held, "initial_token", None))
        return token

    def size(self, door: Door) -> int | None:
        """How many records a page is asked to hold."""
        found = self._call(door, lambda held: held.get_page_size())
        return found if isinstance(found, int) else None

    def following(self, door: Door, last: LastPage) -> Token:
        """The token of the page behind one; None at the end."""

        def work(held: Any) -> Token:
            answer = web.Response.of(last.response)
            setattr(answer, COUNT, last.count)
            piece = self._slice(last.frame)
            record = None
            if isinstance(last.last_record, dict):
                record = Record(last.last_record, "", piece)
            more = accepted(
                held.next_page_token, last_page_token_value=last.token, stream_slice=piece
            )
            token = held.next_page_token(answer, last.count, record, **more)
            if isinstance(token, (dict, list, tuple)):
                return msgspec.json.encode(plain(token)).decode()
            return token or None

        token: Token = self._call(door, work)
        return token

    # Failures.

    def verdict(self, door: Door, response: HttpResponse) -> Verdict:
        """What an answer means."""

        def work(held: Any) -> Verdict:
            found = held.interpret_response(web.Response.of(response))
            word = getattr(getattr(found, "response_action", None), "name", "RETRY")
            action = _ACTIONS[word]
            if action == "accept" and not response.ok:
                action = "ignore"
            if word == "IGNORE" and response.ok:
                action = "accept"
            return Verdict(action=action, message=str(found.error_message or ""))

        verdict: Verdict = self._call(door, work)
        return verdict

    def retries(self, door: Door) -> int:
        """How often to ask again."""
        found = self._call(door, lambda held: held.max_retries)
        return found if isinstance(found, int) else 5

    def wait(self, door: Door, response: HttpResponse | None, attempt: int) -> float | None:
        """How long to wait before asking again, in seconds; None where it does not say."""

        def work(held: Any) -> float | None:
            given = web.ConnectionError() if response is None else web.Response.of(response)
            own = getattr(held, "backoff_time", None)
            strategies = [held] if own else getattr(held, "backoff_strategies", None) or []
            for strategy in strategies:
                seconds = strategy.backoff_time(response_or_exception=given, attempt_count=attempt)
                if seconds:
                    return float(seconds)
            return None

        seconds: float | None = self._call(door, work)
        return seconds

    # Partitions and whole slices.

    def partitions(self, door: Door) -> Iterator[Slice]:
        """The partitions of a stream."""
        pieces = iter(self._call(door, lambda held: held.stream_slices() or ()))
        while True:
            with Calling(door, self._file, self.name):
                piece = next(pieces, _END)
            if piece is _END:
                return
            yield _planned(piece)

    def options(self, door: Door, frame: Frame, token: JsonValue) -> list[Value]:
        """What a partition sends with its requests."""

        def work(held: Any) -> list[Value]:
            piece = self._slice(frame)
            found: list[Value] = []
            for name, place in _PLACES:
                give = getattr(held, name, None)
                if give is None:
                    continue
                page = None if token is None else {"next_page_token": token}
                given = give(
                    **accepted(give, stream_state={}, stream_slice=piece, next_page_token=page)
                )
                pairs = (given or {}).items()
                found += [(Slot(place=place, path=(str(k),)), plain(v)) for k, v in pairs]
            return found

        values: list[Value] = self._call(door, work)
        return values

    def retrieve(
        self, schema: Callable[[], JsonValue]
    ) -> Callable[[Door, Frame], Iterator[JsonValue]]:
        """The records of a slice, whole."""

        def read(door: Door, frame: Frame) -> Iterator[JsonValue]:
            def work(held: Any) -> Any:
                given = {"records_schema": schema() or {}, "stream_slice": self._slice(frame)}
                return iter(held.read_records(**accepted(held.read_records, **given)) or ())

            records = self._call(door, work)
            while True:
                with Calling(door, self._file, self.name):
                    record = next(records, _END)
                if record is _END:
                    return
                if isinstance(record, Mapping):
                    yield plain(record)

        return read

    # The rest.

    def schema(self, door: Door) -> JsonValue:
        """The schema of a stream."""
        return plain(self._call(door, lambda held: held.get_json_schema()))

    def migrate(self, door: Door, state: JsonValue) -> JsonValue:
        """A state in the form it has now."""

        def work(held: Any) -> JsonValue:
            return plain(held.migrate(state)) if held.should_migrate(state) else state

        return plain(self._call(door, work))

    def rework(self, config: dict[str, JsonValue]) -> None:
        """The user's values, changed where they stand."""
        self._call(Alone(config), lambda held: held.transform(config))

    def validate(self, value: JsonValue) -> str | None:
        """What is wrong with one of the user's values, if anything is."""

        def work(held: Any) -> str | None:
            try:
                held.validate(value)
            except (ValueError, PlanError) as exc:
                return str(exc)
            return None

        wrong: str | None = self._call(Alone({}), work)
        return wrong


_END = object()
_PLACES: tuple[tuple[str, Any], ...] = (
    ("get_request_params", "query"),
    ("get_request_headers", "header"),
    ("get_request_body_data", "form"),
    ("get_request_body_json", "json"),
)
_ACTIONS: dict[str, Action] = {
    "SUCCESS": "accept",
    "RETRY": "retry",
    "FAIL": "fail",
    "IGNORE": "ignore",
    "RESET_PAGINATION": "reset",
    "RATE_LIMITED": "rate-limited",
    "REFRESH_TOKEN_THEN_RETRY": "refresh",
    "REDUCE_PAGE_SIZE": "reduce",
    "SPLIT_REQUEST_WINDOW": "split",
}


def _first(decoder: Any, answer: web.Response) -> JsonValue:
    """An answer as templates see it: what a decoder makes of it first."""
    if getattr(decoder, "is_stream_response", bool)():
        return {}
    try:
        return plain(next(iter(decoder.decode(answer)), {}))
    except (ReadError, ValueError):
        return {}


def _placed(values: list[Value], place: str) -> dict[str, Any]:
    """The values of one place of a request, as a mapping."""
    found: dict[str, Any] = {}
    for slot, value in values:
        if slot.place == place:
            here = found
            for key in slot.path[:-1]:
                here = here.setdefault(key, {})
            here[slot.path[-1]] = value
    return found


def _answered(answer: Any) -> HttpResponse:
    """What a requester gave as an answer of the plan; nothing where it gave none."""
    from penstock.plan.page import Headers  # noqa: PLC0415 (kept beside its use)

    if answer is None:
        return HttpResponse(status=204, url="", headers=Headers(), body=b"")
    pairs = tuple((str(k), str(v)) for k, v in answer.headers.items())
    return HttpResponse(
        status=answer.status_code,
        url=str(answer.url or ""),
        headers=Headers(pairs),
        body=answer.content,
    )


def _planned(piece: Any) -> Slice:
    """A slice that a router gave: its partition and window name it, the rest is only seen.

    The partition above is part of it, in requests and in its state alike.
    """
    if not isinstance(piece, StreamSlice):
        piece = StreamSlice(partition=dict(piece or {}), cursor_slice={})
    named = {**piece.partition, **piece.cursor_slice}
    return Slice(
        partition=tuple((str(k), plain(v)) for k, v in named.items()),
        seen=tuple((str(k), plain(v)) for k, v in piece.extra_fields.items()),
    )


def _signed(held: Any, request: HttpRequest) -> HttpRequest:
    made = web.from_plan(request)
    for name, place in _PLACES:
        if name == "get_request_headers":
            continue
        given: Any = getattr(held, name, dict)()
        if given and isinstance(given, Mapping):
            _added(made, given, place)
    if callable(held):
        made = held(made)
    else:
        made.headers.update(held.get_auth_header())
    signed = web.as_plan(made)
    return msgspec.structs.replace(
        signed, connect_timeout=request.connect_timeout, read_timeout=request.read_timeout
    )


def _added(made: web.PreparedRequest, given: Mapping[str, Any], place: str) -> None:
    """Put what an authenticator gives besides headers into a request."""
    if place == "query":
        made.prepare_url(made.url or "", given)
    elif place == "json":
        body = msgspec.json.decode(made.body) if made.body else {}
        made.prepare_body(None, None, {**body, **given})
    else:
        form = made.body.decode() if isinstance(made.body, bytes) else made.body or ""
        more = web.Request("POST", "", data=given).prepare().body
        made.prepare_body(f"{form}&{more}" if form else more, None)
