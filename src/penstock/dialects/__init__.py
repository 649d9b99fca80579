"""HOW people say it: each dialect compiles a document into one plan.

`load` finds and reads a document; `compile_document` recognises its dialect and compiles it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from penstock.dialects.compiled import Compiled

if TYPE_CHECKING:
    from penstock.dialects.document import Document
    from penstock.dialects.loading import Code
    from penstock.dialects.repairing.fixing import Fixed
    from penstock.plan.expr import JsonValue

__all__ = ["Compiled", "compile_document", "fix", "load"]


def load(spec: str, code: Code | None = None) -> Document:
    """Read a source: a file, `module:attribute`, or the name of a bundled connector.

    `code` says which code of the user's may be executed, and with which values.

    Raises:
        PlanError: there is none, or it cannot be read at all.
    """
    from penstock.dialects.loading import load_document  # noqa: PLC0415 (start-up stays fast)

    return load_document(spec, code)


def compile_document(document: Document, values: Mapping[str, JsonValue] | None = None) -> Compiled:
    """Compile a document with the dialect its content shows; problems are in `diagnostics`."""
    from penstock.dialects import dlt  # noqa: PLC0415 (start-up stays fast)

    if document.loaded:
        return msgspec.structs.replace(_nothing(document, "dlt"), loaded=True)
    if not document.root.readable or not document.speakable():
        return _nothing(document, "")
    if _looks_airbyte(document):
        return _airbyte(document, values)
    if dlt.sniff(document):
        compiled = dlt.compile_document(document, values)
        beside = [dlt.compile_document(other, values) for other in document.others]
        said = dict.fromkeys(d for one in (compiled, *beside) for d in one.diagnostics)
        return msgspec.structs.replace(compiled, target=document.target, diagnostics=tuple(said))
    nothing = document.root.value is None
    document.say(
        "error",
        "no-dialect",
        "the document is empty"
        if nothing
        else "this is neither a dlt rest_api configuration nor an Airbyte manifest",
        document.root.place,
        'a dlt configuration has "client" and "resources", a manifest "type: DeclarativeSource"',
    )
    return _nothing(document, "")


def fix(spec: str, code: Code, values: Mapping[str, JsonValue] | None = None) -> Fixed:
    """The repairs of a document, written into the text of its files; nothing is stored.

    Raises:
        PlanError: there is no such document, or it cannot be read at all.
    """
    from penstock.dialects.loading import load_document, reread  # noqa: PLC0415 (start-up)
    from penstock.dialects.repairing.fixing import fix  # noqa: PLC0415 (start-up stays fast)

    return fix(
        load_document(spec, code),
        lambda document: compile_document(document, values),
        lambda text: reread(spec, text, code),
    )


def _looks_airbyte(document: Document) -> bool:
    root = document.root.mapping
    kind = root["type"].value if "type" in root else None
    others = "resources" in root or ("client" in root and "definitions" not in root)
    return kind == "DeclarativeSource" or ("streams" in root and not others)


def _airbyte(document: Document, values: Mapping[str, JsonValue] | None) -> Compiled:
    try:
        from penstock.dialects import airbyte  # noqa: PLC0415 (start-up stays fast)
    except ImportError:
        message = "this is an Airbyte manifest, which this installation cannot compile"
        document.say("error", "no-dialect", message, document.root.place)
        return _nothing(document, "airbyte")
    compiled: Compiled = airbyte.compile_document(document, values)
    return compiled


def _nothing(document: Document, dialect: str) -> Compiled:
    return Compiled(
        source=None,
        dialect=dialect,
        name=document.name,
        file=document.file,
        diagnostics=tuple(document.diagnostics),
    )
