"""Projects of dlt: their `sources` hold configurations by name, each with `type: rest_api`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.dialects.document import Document, Node, source_name

if TYPE_CHECKING:
    from penstock.dialects.dlt.context import Context

TYPES = ("rest_api", "dlt.sources.rest_api", "dlt.sources.rest_api.rest_api")


def sources(root: Node) -> dict[str, Node]:
    """The configurations that a project holds, by name; none where it is no project."""
    held = root.mapping.get("sources")
    return {
        name: node
        for name, node in (held.mapping if held is not None else {}).items()
        if "type" in node.mapping and node.mapping["type"].value in TYPES
    }


def taken(ctx: Context, document: Document) -> Node:
    """What is compiled of a document: the whole, or a project's first source of this kind."""
    root = document.root
    if root.has("client") or root.has("resources"):
        return root
    found = sources(root)
    if not found:
        return root
    name, *others = found
    document.name = source_name(name)
    if others:
        message = f"the project holds several sources; {name!r} is taken"
        hint = "put the others in documents of their own"
        ctx.warn("several-sources", message, found[others[0]], hint, key=True)
    hint = "say the destination where Penstock is run"
    for key, node in root.mapping.items():
        if key != "sources":
            ctx.gap(node, f"{key!r} of a project is not read", hint)
    return found[name]
