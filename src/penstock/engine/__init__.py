"""The one room that knows all rooms: load, read, shape, write, commit, receipt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.dialects import Compiled
    from penstock.dialects.dlt.standin.resources.sources import DltSource
    from penstock.dialects.loading import Code
    from penstock.dialects.repairing.fixing import Fixed
    from penstock.engine.answering import Loader, Loads
    from penstock.engine.datasets import Dataset, dataset
    from penstock.engine.importing import import_state
    from penstock.engine.reading import read_pages, read_stream
    from penstock.engine.reshaping import Reshaped, reshape
    from penstock.engine.running import Options, Result, execute, reset_state, show_state
    from penstock.plan.expr import JsonValue

__all__ = [
    "Dataset",
    "Options",
    "Reshaped",
    "Result",
    "compile_built",
    "compile_source",
    "compile_value",
    "dataset",
    "execute",
    "fix_source",
    "import_state",
    "prepare",
    "read_pages",
    "read_stream",
    "reset_state",
    "reshape",
    "show_state",
]

_HOMES = {
    "Dataset": "datasets",
    "Options": "running",
    "Reshaped": "reshaping",
    "Result": "running",
    "dataset": "datasets",
    "execute": "running",
    "import_state": "importing",
    "read_pages": "reading",
    "read_stream": "reading",
    "reset_state": "running",
    "reshape": "reshaping",
    "show_state": "running",
}


def __getattr__(name: str) -> object:
    """The rooms are loaded when they are needed: `check` must not wait for the destination's."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib  # noqa: PLC0415 (part of loading late)

    module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    return getattr(module, name)


def prepare(destination: str) -> None:
    """Begin, in the background, what opening such a destination takes: a run may follow."""
    from penstock import destinations  # noqa: PLC0415 (part of loading late)

    destinations.prepare(destination)


def compile_source(  # noqa: PLR0913 (what a call says of its source)
    spec: str,
    values: Mapping[str, JsonValue] | None = None,
    *,
    allow_code: bool = False,
    components: Path | None = None,
    load: Loads | None = None,
    arguments: Sequence[str] = (),
    whole: bool = False,
) -> Compiled:
    """Find and compile a document: a file, `module:attribute`, or a bundled connector's name.

    A script that is named is executed where its text does not say everything; code inside a text
    only with `allow_code`. `components` are the classes of a manifest, where they do not stand in
    the components.py beside it. A script that asks for what it has loaded has `load` do it while it
    is executed; then there is no plan left. `arguments` are those of its command line. With `whole`
    what it loads to further places is compiled too, for what is to say about it.

    Raises:
        PlanError: there is no such document, or it cannot be read at all.
        Error: whatever `load` raises.
    """
    from penstock import dialects  # noqa: PLC0415 (part of loading late)

    loader = None
    if load is not None:
        from penstock.engine import answering  # noqa: PLC0415 (few calls answer)

        loader = answering.Loader(load, values)
    given = _executing(
        values or {}, allow_code=allow_code, loader=loader, arguments=arguments, whole=whole
    )
    with given as code:
        document = dialects.load(spec, code)
    document.components = components
    return dialects.compile_document(document, values)


def fix_source(
    spec: str,
    values: Mapping[str, JsonValue] | None = None,
    *,
    allow_code: bool = False,
    arguments: Sequence[str] = (),
) -> Fixed:
    """The repairs of a document, written into the text of its files; nothing is stored.

    Raises:
        PlanError: there is no such document, or it cannot be read at all.
    """
    from penstock.dialects import fix  # noqa: PLC0415 (part of loading late)

    given = _executing(values or {}, allow_code=allow_code, arguments=arguments, whole=True)
    with given as code:
        return fix(spec, code, values)


@contextmanager
def _executing(
    values: Mapping[str, JsonValue],
    *,
    allow_code: bool,
    loader: Loader | None = None,
    arguments: Sequence[str] = (),
    whole: bool = False,
) -> Iterator[Code]:
    """Which code may be executed, with what it asks of its surroundings meanwhile."""
    from penstock.dialects.loading import Code  # noqa: PLC0415 (part of loading late)
    from penstock.engine.outside import Outside  # noqa: PLC0415 (the same)

    with closing(Outside()) as outside:
        yield Code(
            inside_text=allow_code,
            lookup=partial(_lookup, values),
            nearest=partial(_nearest, values),
            loader=loader,
            outside=outside,
            arguments=tuple(arguments),
            whole=whole,
        )


def compile_value(
    value: Mapping[str, object], values: Mapping[str, JsonValue] | None = None, name: str = "source"
) -> Compiled:
    """Compile a configuration or manifest that is a dict already."""
    from penstock.dialects import compile_document  # noqa: PLC0415 (part of loading late)
    from penstock.dialects.document import Document  # noqa: PLC0415 (the same)

    return compile_document(Document.from_object(value, name), values)


def compile_built(source: DltSource) -> Compiled:
    """Compile a source that was built with the stand-in for dlt."""
    from penstock.dialects import compile_document  # noqa: PLC0415 (part of loading late)
    from penstock.dialects.dlt.standin.execute import read_built  # noqa: PLC0415 (the same)

    return compile_document(read_built(source))


def _lookup(values: Mapping[str, JsonValue], name: str) -> object:
    """The value of a name for a script that computes with it, from every place there is."""
    import os  # noqa: PLC0415 (few scripts ask)
    from pathlib import Path  # noqa: PLC0415 (the same)

    from penstock.dialects.dlt.standin.base.references import ABSENT  # noqa: PLC0415 (the same)
    from penstock.errors import PlanError  # noqa: PLC0415 (the same)
    from penstock.plan.source import Input  # noqa: PLC0415 (the same)
    from penstock.values import gather  # noqa: PLC0415 (the same)

    section, _, name = name.rpartition("/")
    wanted = (Input(name=name),)
    try:
        found = gather(
            wanted, sets=values, config=None, environ=os.environ, folder=Path.cwd(),
            source_name=section or "rest_api",
        )  # fmt: skip
    except PlanError:
        return ABSENT
    return found[name]


def _nearest(values: Mapping[str, JsonValue], names: tuple[str, ...]) -> str | None:
    """The first of these names that has a value, for the parameters of a script's functions."""
    import os  # noqa: PLC0415 (few scripts ask)
    from pathlib import Path  # noqa: PLC0415 (the same)

    from penstock.errors import PlanError  # noqa: PLC0415 (the same)
    from penstock.values import nearest  # noqa: PLC0415 (the same)

    try:
        return nearest(names, sets=values, environ=os.environ, folder=Path.cwd())
    except PlanError:
        return None
