"""The commands of the protocol: each gives the exit code of its call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from msgspec.structs import replace

from penstock.engine.protocol import catalog as catalogs
from penstock.engine.protocol.messages import Messages, said
from penstock.engine.protocol.opening import INJECTED, Call, Opened, compiled, opened, read_json
from penstock.engine.protocol.reading import Telling, completed, unavailable
from penstock.engine.protocol.states import entries_of
from penstock.engine.running import Options
from penstock.errors import Error, PlanError
from penstock.plan.expr import JsonValue
from penstock.plan.source import Check, Source, Spec

T = TypeVar("T")

DONE, FAILED = 0, 1
_CHECKED = "__airbyte_check_stream_names"  # a key of the values: other streams to try

_ANY = Spec(
    schema={
        "type": "object",
        "required": [INJECTED],
        "additionalProperties": True,
        "properties": {
            INJECTED: {
                "type": "object",
                "title": "Manifest",
                "description": "The low-code manifest that says which streams there are.",
            }
        },
    }
)


def _told(command: Callable[[Call, Messages], int]) -> Callable[[Call, Messages], int]:
    """The command with whatever ends it told as a message."""

    def run(call: Call, messages: Messages) -> int:
        try:
            return command(call, messages)
        except Exception as exc:  # (a platform reads messages, not traces)
            if messages.unwritten is not None:
                raise messages.unwritten from exc
            messages.log("FATAL", said(_first(exc)))
            messages.failure(_first(exc))
            return FAILED
        finally:
            messages.flush()

    return run


def _first(exc: Exception) -> Exception:
    """What concurrent tasks raised together stands for its first member."""
    while isinstance(exc, ExceptionGroup):
        exc = exc.exceptions[0]
    return exc


@_told
def spec(call: Call, messages: Messages) -> int:
    """Tell which values the manifest asks for."""
    from penstock.dialects import load  # noqa: PLC0415 (not needed without a manifest)

    found: Spec | None = _ANY
    if call.manifest is not None:
        found = compiled(load(str(call.manifest)), None, messages).spec
    told = found or Spec(schema={})
    entry: dict[str, JsonValue] = {"connectionSpecification": told.schema}
    if told.documentation_url:
        entry["documentationUrl"] = told.documentation_url
    entry |= {"supportsNormalization": False, "supportsDBT": False}
    if told.grant is not None:
        entry["advanced_auth"] = _without_types(told.grant)
    messages.put({"type": "SPEC", "spec": entry})
    return DONE


def _without_types(value: JsonValue) -> JsonValue:
    """A component as a platform knows it: without the words that only manifests use."""
    if not isinstance(value, Mapping):
        return value
    return {k: v for k, v in value.items() if k not in {"type", "$parameters"} and v is not None}


@_told
def check(call: Call, messages: Messages) -> int:
    """Tell whether the streams that the manifest names for it can be read."""
    try:
        found = opened(call, messages)
        if found.source.check is not None and found.source.check.values:
            found = _overlaid(call, found, messages)
        problem = _problem(_whole(found, call), call.options)
    except PlanError as exc:
        problem = said(exc)
    status: dict[str, JsonValue] = {"status": "SUCCEEDED"}
    if problem is not None:
        text = messages.masked(problem)
        status = {"status": "FAILED", "message": text}
    messages.log("ERROR" if problem else "INFO", f"Check {'failed' if problem else 'succeeded'}")
    messages.put({"type": "CONNECTION_STATUS", "connectionStatus": status})
    return DONE


def _whole(found: Opened, call: Call, *, describe: bool = False) -> Opened:
    """The source with every stream, those that only its API names included."""
    return _given(completed(found, call.options, describe=describe))


def _given(asked: Coroutine[Any, Any, T]) -> T:
    """What is awaited.

    The task that asyncio runs gives nothing: what one gives is written out as text, several times,
    when signals are handed back, and for a whole plan that takes a while.
    """
    found: list[T] = []

    async def keep() -> None:
        found.append(await asked)

    asyncio.run(keep())
    return found[0]


def _overlaid(call: Call, found: Opened, messages: Messages) -> Opened:
    """The source as it is with the values that a check puts in place of the user's."""
    quiet = Messages(lambda _line: None, messages.redactor)
    check = found.source.check
    return opened(call, quiet, dict(check.values if check is not None else ()))


def _problem(found: Opened, options: Options) -> str | None:
    """Why the connection does not work, if it does not."""
    source = found.source
    whole = [s.name for s in source.streams if s.selected]
    check = source.check or Check(first=1)
    if not whole or (check.first and not check.ask):
        return None if whole else "there is no stream to check"
    asked = found.values.get(_CHECKED)
    named = asked if isinstance(asked, (list, tuple)) and asked else check.streams
    names = [str(name) for name in named] or whole[: check.first]
    for maker, count in check.made:
        if maker not in source.dynamic:
            return f"Dynamic stream {maker} is not found in manifest."
        names += [s.name for s in source.streams if s.made_by == maker][:count]
    problems = (_unavailable(found, name, whole, options) for name in names)
    return next((problem for problem in problems if problem is not None), None)


def _unavailable(found: Opened, name: str, whole: list[str], options: Options) -> str | None:
    """Why a stream cannot be read, if it cannot."""
    if found.source.stream(name) is None:
        return f"there is no stream {name!r} to check; there are: {', '.join(whole)}"
    error = _unreadable(found.source, name) or asyncio.run(unavailable(found, name, options))
    return None if error is None else f"Stream {name} is not available: {error}"


def _unreadable(source: Source, name: str) -> Error | None:
    """Why a stream cannot be read at all by what is known of the manifest."""
    stream = source.stream(name)
    if stream is None or not stream.needs:
        return None
    return Error(f"{name!r} needs code that does not run: {', '.join(stream.needs)}", code="gap")


@_told
def discover(call: Call, messages: Messages) -> int:
    """Tell which streams there are."""
    found = _whole(opened(call, messages, describe=True), call, describe=True)
    messages.put({"type": "CATALOG", "catalog": catalogs.catalog(found.source)})
    return DONE


@_told
def read(call: Call, messages: Messages) -> int:
    """Tell the records of the streams that the catalog selects, and where they would go on."""
    found = _whole(opened(call, messages), call)
    if call.catalog is None:
        raise PlanError([catalogs.wrong("value-missing", "a read needs --catalog")])
    wanted = catalogs.chosen(read_json(call.catalog, "--catalog"))
    given = read_json(call.state, "--state") if call.state is not None else None
    found = replace(found, source=catalogs.with_cursors(found.source, wanted))
    states = entries_of(found.source, given, found.values)
    telling = Telling(messages, states, call.options)
    loaded = tuple(name for name in wanted if _readable(found.source, name, telling, messages))
    if loaded:
        columns = {name: one.columns for name, one in wanted.items()}
        asyncio.run(telling.read(found, loaded, columns))
    if not telling.failed:
        return DONE
    listed = "; ".join(f"{name}: {why}" for name, why in telling.failed.items())
    error = Error(f"these streams were not read to their end: {listed}", code="partial")
    messages.failure(error, kind="config_error")
    return FAILED


def _readable(source: Source, name: str, telling: Telling, messages: Messages) -> bool:
    """Whether a stream of the catalog can be read; if not, that is told."""
    stream = source.stream(name)
    if stream is None or not stream.selected:
        messages.log("WARN", f"the catalog selects {name!r}, which the manifest does not have")
        messages.status(name, "INCOMPLETE")
        return False
    error = _unreadable(source, name)
    if error is not None:
        telling.failed[name] = error.message
        messages.failure(error, name)
        messages.status(name, "INCOMPLETE")
    return error is None
