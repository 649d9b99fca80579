"""The dlt `rest_api` dialect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from penstock.dialects.document import Document

if TYPE_CHECKING:
    from penstock.dialects.compiled import Compiled
    from penstock.plan.expr import JsonValue


def sniff(document: Document) -> bool:
    """Whether a document is written in this dialect."""
    from penstock.dialects.dlt.project import sources  # noqa: PLC0415 (start-up stays fast)

    root = document.root
    said = document.kind == "python" or root.has("resources") or root.has("client")
    return said or bool(sources(root))


def compile_document(document: Document, values: Mapping[str, JsonValue] | None = None) -> Compiled:
    """Compile a document of this dialect; `values` are those the user gave, as far as known."""
    from penstock.dialects.dlt.source import compile_source  # noqa: PLC0415 (start-up stays fast)

    return compile_source(document, values or {})
