"""Objects and functions of a script → the callables of the plan, for when the run needs them."""

from __future__ import annotations

import copy
import inspect
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from penstock.dialects.dlt.standin.base.references import Unnamed, read_text, referring
from penstock.dialects.dlt.standin.rest_client.parts import Part
from penstock.dialects.document import Joined, SecretRef
from penstock.dialects.python import running as runs
from penstock.dialects.python import web
from penstock.dialects.python.calling import Calling
from penstock.plan.door import Door
from penstock.plan.expr import JsonValue, spelled
from penstock.plan.page import HttpRequest, HttpResponse
from penstock.plan.python import Amend, Lead, Sign, Turn

_AT_FIRST = "_penstock_at_first"
_FORM = "application/x-www-form-urlencoded"


class IgnoreResponseException(Exception):  # noqa: N818 (its name in dlt)
    """A response action says that an answer is to be passed over."""


# Values that were references while the script was executed.


def references(part: Part) -> Iterator[SecretRef]:
    """The values of the user's that an object was given."""
    for value in (*part.given.values(), *vars(part).values()):
        yield from references_in(value)


def references_in(value: Any) -> Iterator[SecretRef]:
    """The values of the user's that stand in a value."""
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from references_in(inner)
    elif isinstance(value, Part):
        yield from references(value)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from references_in(inner)
    elif isinstance(value, str):
        found = read_text(value)
        parts = found.parts if isinstance(found, Joined) else (found,)
        yield from (part for part in parts if isinstance(part, SecretRef))


def real(value: Any, values: Mapping[str, JsonValue]) -> Any:
    """A value with what its references stand for in this run."""
    if isinstance(value, dict):
        return {k: real(v, values) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)([real(v, values) for v in value])
    if isinstance(value, Unnamed) or not isinstance(value, str):
        return value
    found = read_text(value)
    if isinstance(found, SecretRef):
        return _said(found, values)
    if isinstance(found, Joined):
        return "".join(p if isinstance(p, str) else str(_said(p, values)) for p in found.parts)
    return found


def _said(reference: SecretRef, values: Mapping[str, JsonValue]) -> Any:
    if reference.name in values:
        found = values[reference.name]
        return spelled(found) if reference.read and isinstance(found, str) else found
    return referring(reference).resolved()


def _instance(part: Part, door: Door) -> Any:
    """A copy of an object in which references are what they stand for."""
    made = copy.copy(part)
    for name, value in vars(part).items():
        vars(made)[name] = value if name in {"made_at", _SIGNER} else real(value, door.values)
    vars(made).pop(_AT_FIRST, None)
    return made


def running() -> Door | None:
    """The run that is calling; None where no run is."""
    try:
        return runs.current()
    except runs.NoRunError:
        return None


def run_values() -> Mapping[str, JsonValue] | None:
    """The user's values in the run that is calling; None where no run is."""
    run = running()
    return None if run is None else run.values


def live(thing: Any, door: Door) -> Any:
    """What a script gave, with the values of the run; an auth is one and the same in all of it."""
    if not isinstance(thing, Part):
        return real(thing, door.values)
    if type(thing).what != "auth":
        return copy.deepcopy(_instance(thing, door))
    if thing not in door.kept:
        made = door.kept[thing] = _instance(thing, door)
        vars(made)[_AT_FIRST] = dict(vars(made))
    return door.kept[thing]


def handed_back(door: Door) -> None:
    """Let objects that the script used itself know what they learned by that, as a token."""
    for thing, used in door.kept.items():
        if isinstance(thing, Part):
            first = vars(used)[_AT_FIRST]
            learned = {n: v for n, v in vars(used).items() if n not in first or first[n] is not v}
            learned.pop(_AT_FIRST, None)
            vars(thing).update(learned)


def file_of(thing: Any) -> str:
    """The file that a class or a function stands in."""
    code = getattr(inspect.unwrap(thing), "__code__", None) if callable(thing) else None
    if code is None and isinstance(thing, type):
        members = (getattr(m, "__code__", None) for m in vars(thing).values())
        code = next((c for c in members if c is not None), None)
    return code.co_filename if code is not None else ""


# Paginators.


class PageRequest:
    """The request of a page as paginators of dlt change it."""

    def __init__(self, request: HttpRequest) -> None:
        self.method = request.method
        self.url = request.url
        self.headers = dict(request.headers)
        self.params: dict[str, Any] | None = _params(request.query)
        self.json: Any = None
        self.data: Any = None
        self.auth: Any = None
        self.cookies: Any = None
        kind = next((v for n, v in request.headers if n.lower() == "content-type"), "")
        if request.body is not None and "json" in kind:
            self.json = msgspec.json.decode(request.body)
        elif request.body is not None:
            text = request.body.decode("utf-8", "surrogateescape")
            form = kind.startswith(_FORM)
            self.data = _params(parse_qsl(text, keep_blank_values=True)) if form else text

    def plan(self, values: Mapping[str, JsonValue], like: HttpRequest) -> HttpRequest:
        """The request for the run."""
        body = like.body
        if self.json is not None:
            body = msgspec.json.encode(real(self.json, values))
        elif self.data is not None:
            body = _encoded(real(self.data, values))
        headers = real(self.headers, values)
        typed = any(name.lower() == "content-type" for name in headers)
        plain = self.data is None or isinstance(self.data, (str, bytes, bytearray))
        if body is not None and not typed and (self.json is not None or not plain):
            headers["Content-Type"] = "application/json" if self.json is not None else _FORM
        url = str(real(self.url, values))
        return msgspec.structs.replace(
            like,
            method=self.method,
            url=url,
            unquoted=like.unquoted if url == like.url else None,
            query=tuple(_pairs(real(self.params or {}, values))),
            headers=tuple((name, str(v)) for name, v in headers.items() if v is not None),
            body=body,
        )


def _params(query: Sequence[tuple[str, str]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in query:
        if name in found:
            held = found[name]
            found[name] = [*held, value] if isinstance(held, list) else [held, value]
        else:
            found[name] = value
    return found


def _pairs(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in params.items():
        items = value if isinstance(value, (list, tuple, set)) else [value]
        yield from ((name, str(item)) for item in items if item is not None)


def _encoded(data: Any) -> bytes:
    if isinstance(data, (bytes, bytearray)):
        return bytes(data)
    if isinstance(data, str):
        return data.encode("utf-8", "surrogateescape")
    pairs = data.items() if isinstance(data, Mapping) else data
    spread = ((k, v if _is_several(v) else [v]) for k, v in pairs)
    said = [(name, one) for name, held in spread for one in held if one is not None]
    return urlencode(said, doseq=True).encode()


def _is_several(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes))


class _Pager:
    """Calls a paginator of the script's; what it remembers goes from page to page by value."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._file = file_of(type(part))
        self.name = type(part).__name__
        cls: Any = type(part)
        taken = inspect.signature(cls.update_state).parameters.values()
        self._with_data = len(taken) > 2 or any(p.kind is p.VAR_POSITIONAL for p in taken)  # noqa: PLR2004 (itself and the answer)

    def begin(self, door: Door, request: HttpRequest) -> Turn:
        """The request of the first page."""
        with Calling(door, self._file, self.name):
            paginator = copy.deepcopy(_instance(self._part, door))
            asked = PageRequest(request)
            paginator.init_request(asked)
            return Turn(request=asked.plan(door.values, request), memory=(paginator, asked))

    def following(
        self, door: Door, turn: Turn, response: HttpResponse, records: list[JsonValue]
    ) -> Turn | None:
        """The request of the next page, unless that was the last."""
        with Calling(door, self._file, self.name):
            memory: Any = copy.deepcopy(turn.memory)
            paginator, asked = memory
            answer = web.Response.of(response, web.from_plan(turn.request))
            paginator.update_state(answer, *([records] if self._with_data else []))
            paginator.update_request(asked)
            if not paginator.has_next_page:
                return None
            return Turn(request=asked.plan(door.values, turn.request), memory=(paginator, asked))


def lead(part: Part) -> Lead:
    """What asks for pages as a paginator of the script's says."""
    pager = _Pager(part)
    return Lead(begin=pager.begin, following=pager.following, name=pager.name)


# Auth.

_SIGNER = "_penstock_signer"


class _Signer:
    """Calls an auth of the script's, one request at a time: it may obtain a token meanwhile."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._file = file_of(type(part))
        self._made: Any = None
        self._lock = threading.Lock()
        self.name = type(part).__name__

    def sign(self, door: Door, request: HttpRequest) -> HttpRequest:
        """The request, signed."""
        with self._lock, Calling(door, self._file, self.name):
            if self._made is None:
                self._made = live(self._part, door)
            else:  # in further runs of a script, too
                door.kept.setdefault(self._part, self._made)
            prepared = web.from_plan(request)
            made = web.as_plan(self._made(prepared) or prepared)
            headers = tuple((name, real(value, door.values)) for name, value in made.headers)
            url = real(made.url, door.values)
            return msgspec.structs.replace(
                request, url=url, query=(), headers=headers, body=made.body
            )


def sign(part: Part) -> Sign:
    """What signs requests as an auth of the script's does; one for all that have this object."""
    held = vars(part)
    if _SIGNER not in held:
        held[_SIGNER] = _Signer(part)
    return Sign(function=held[_SIGNER].sign, name=held[_SIGNER].name)


# Response actions.


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """A response action: what an answer must show, and the functions that are called then.

    Without functions the answer is passed over.
    """

    functions: tuple[Callable[..., Any], ...] = ()
    status: int | None = None
    content: str | None = None

    def fits(self, answer: Any) -> bool:
        """Whether it applies to an answer."""
        status = self.status is None or answer.status_code == self.status
        return status and (self.content is None or self.content in answer.text)


def amend(actions: Sequence[Action]) -> Amend:
    """What looks at each answer as response actions of the script's do, in their order."""
    functions = [function for action in actions for function in action.functions]
    file = file_of(functions[0])
    name = ", ".join(getattr(f, "__name__", type(f).__name__) for f in functions)

    def look(door: Door, response: HttpResponse) -> HttpResponse | None:
        with Calling(door, file, name):
            try:
                return _looked(actions, response)
            except IgnoreResponseException:
                return None

    return Amend(function=look, name=name)


def _looked(actions: Sequence[Action], response: HttpResponse) -> HttpResponse | None:
    answer: Any = web.Response.of(response)
    for action in actions:
        if not action.fits(answer):
            continue
        if not action.functions:
            return None
        for function in action.functions:
            made = function(answer)
            answer = made if hasattr(made, "status_code") else answer
    return msgspec.structs.replace(
        response, status=int(answer.status_code), body=bytes(answer.content)
    )
