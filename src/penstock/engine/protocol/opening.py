"""From what a call was given to a plan and the values it runs with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec.structs import replace

from penstock.dialects import airbyte, load
from penstock.dialects.document import Document
from penstock.engine.preparing import prepare
from penstock.engine.protocol.catalog import wrong
from penstock.engine.protocol.messages import Messages
from penstock.engine.renewing import Renewing, Values, renew, rewrite
from penstock.engine.running import Options
from penstock.errors import PlanError
from penstock.plan.auth import Kept
from penstock.plan.expr import JsonValue, Ref, Scope
from penstock.plan.prepare import MustFit, prepared
from penstock.plan.source import Source
from penstock.read.ask import Keep
from penstock.redact import is_sensitive
from penstock.values import scalars, secrets

INJECTED = "__injected_declarative_manifest"


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What a command of the protocol was given: files, or None where it was given none."""

    manifest: Path | None = None
    components: Path | None = None
    config: Path | None = None
    catalog: Path | None = None
    state: Path | None = None
    base_url: str | None = None
    deny_private: bool = False

    @property
    def options(self) -> Options:
        """The same as a run is told it."""
        return Options(base_url=self.base_url, deny_private=self.deny_private)


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest that compiled, and the user's values as it changes them.

    `keep` tells the platform of values that the API replaces.
    """

    source: Source
    values: Values
    keep: Keep


def opened(
    call: Call,
    messages: Messages,
    over: Mapping[str, JsonValue] | None = None,
    *,
    describe: bool = False,
) -> Opened:
    """The plan for the values of a call; `over` takes the place of single ones.

    Raises:
        PlanError: a file cannot be read, the manifest has errors, or a value does not fit it.
    """
    config = given(call)
    values = {name: value for name, value in config.items() if not name.startswith("__injected")}
    messages.redactor.add(*_named_secrets(values))
    asked = {**values, **(over or {})}
    source = compiled(_document(call, config), asked, messages, describe=describe)
    kept = prepared(source.migrate, values) if source.migrate else values
    if kept != values:
        _keep(call, kept, messages)
    changed = dict(prepare(_checking(source, prepared(source.prepare, asked)), asked))
    hide(messages, source, changed)
    return Opened(source=source, values=changed, keep=_telling(changed, messages))


def _telling(values: Values, messages: Messages) -> Keep:
    """What tells the platform, at once, which values it is to hold from now on."""

    def tell(kept: Kept) -> None:
        whole: Values = msgspec.json.decode(msgspec.json.encode(values))
        renew(whole, kept)
        messages.redactor.add(*(text for _, text in kept))
        messages.config(whole)

    return Renewing(values, tell)


def _named_secrets(values: Mapping[str, JsonValue]) -> Iterator[str]:
    """Values whose names say that they are secret, before the manifest says which are."""
    for name, value in values.items():
        if is_sensitive(name):
            yield from scalars(value)
        elif isinstance(value, Mapping):
            yield from _named_secrets(value)


def given(call: Call) -> dict[str, JsonValue]:
    """The user's values as they stand in the file."""
    found = read_json(call.config, "--config") if call.config is not None else {}
    if not isinstance(found, dict):
        raise PlanError([wrong("value-invalid", f"{call.config} holds no JSON object")])
    return found


def read_json(path: Path, option: str) -> JsonValue:
    """What a file of the call holds.

    Raises:
        PlanError: it cannot be read, or is not JSON.
    """
    try:
        found: JsonValue = msgspec.json.decode(path.read_bytes())
    except OSError as exc:
        said = f"{option}: {path} cannot be read: {exc.strerror or exc}"
        raise PlanError([wrong("value-invalid", said)]) from exc
    except msgspec.DecodeError as exc:
        said = f"{option}: {path} is not JSON: {exc}"
        raise PlanError([wrong("value-invalid", said)]) from exc
    return found


def _document(call: Call, config: Mapping[str, JsonValue]) -> Document:
    """The manifest, which may also stand among the values."""
    injected = config.get(INJECTED)
    if call.manifest is not None or isinstance(injected, dict):
        document = (
            load(str(call.manifest))
            if call.manifest is not None
            else Document.from_object(injected, "manifest")  # type: ignore[arg-type]  # a dict
        )
        document.components = call.components
        return document
    hint = f"give --manifest-path, or put the manifest into the configuration as {INJECTED!r}"
    raise PlanError([wrong("no-source", "there is no manifest", hint)])


def compiled(
    document: Document,
    values: Mapping[str, JsonValue] | None,
    messages: Messages,
    *,
    describe: bool = False,
) -> Source:
    """The plan of a manifest; what is not honoured is told.

    Raises:
        PlanError: the manifest has errors.
    """
    found = airbyte.compile_document(document, values, describe=describe)
    source = found.need()
    hide(messages, source, values or {})
    for diagnostic in found.diagnostics:
        if diagnostic.severity == "warning":
            messages.log("WARN", str(diagnostic))
    return source


def hide(messages: Messages, source: Source, values: Mapping[str, JsonValue]) -> None:
    """Mask the secrets among the values from now on."""
    messages.redactor.add(*secrets(source.inputs, values))
    messages.redactor.add(*_defaults(source))


def _defaults(source: Source) -> Iterable[str]:
    return (text for i in source.inputs if i.secret for text in scalars(i.default))


def _keep(call: Call, values: dict[str, JsonValue], messages: Messages) -> None:
    """Put migrated values in the place of the user's, and say so."""
    if call.config is not None and not isinstance(given(call).get(INJECTED), dict):
        try:
            rewrite(call.config, values)
        except OSError as exc:
            messages.log("WARN", f"the migrated configuration cannot be kept: {exc}")
    messages.config(values)


def _checking(source: Source, values: Mapping[str, JsonValue]) -> Source:
    """The source with its spec among the checks of the values.

    Raises:
        PlanError: a value that the spec requires is missing.
    """
    missing = [i.name for i in source.inputs if i.required and i.name not in values]
    if missing:
        said = [f"Config validation error: {name!r} is a required property" for name in missing]
        raise PlanError([wrong("value-missing", text) for text in said])
    if source.spec is None:
        return source
    whole = MustFit(value=Ref(at=Scope.SOURCE, path=()), schema=source.spec.schema)
    return replace(source, validate=(whole, *source.validate))
