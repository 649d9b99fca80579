"""Repairs: what documents say by mistake and mean all the same, each with one warning."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from penstock.dialects.dlt.context import Context
from penstock.dialects.document import Node
from penstock.dialects.repairing.edits import Rename, Rewrite

AUTH_NAMES = {
    "oauth2": "oauth2_client_credentials",
    "oauth": "oauth2_client_credentials",
    "client_credentials": "oauth2_client_credentials",
    "apikey": "api_key",
    "api-key": "api_key",
    "key": "api_key",
    "basic": "http_basic",
    "token": "bearer",
    "bearer_token": "bearer",
    "jwt": "bearer",
}
PAGINATOR_NAMES = {
    "page": "page_number",
    "pages": "page_number",
    "page_increment": "page_number",
    "offset_increment": "offset",
    "offset_limit": "offset",
    "link": "json_link",
    "next_url": "json_link",
    "next_link": "json_link",
    "json_response": "json_link",
    "link_header": "header_link",
    "cursor_pagination": "cursor",
    "none": "single_page",
    "single": "single_page",
}
ENDPOINT_KEYS = (
    "path",
    "method",
    "params",
    "json",
    "data",
    "headers",
    "paginator",
    "data_selector",
    "response_actions",
    "incremental",
    "auth",
    "decoder",
)
# The last key of a path that holds a link, and the key before a `next` that does.
_LINK_KEYS = {
    "href", "url", "uri", "link", "next_url", "next_link", "nextlink", "nexturl", "next_href",
    "next_page_url", "nextpageurl", "next_page_link", "next_uri", "@odata.nextlink",
}  # fmt: skip
_LINK_HOLDERS = {"links", "_links", "link"}


def word(ctx: Context, node: Node, names: Mapping[str, str], known: Iterable[str]) -> str | None:
    """A name of the dialect; one that means another is taken for it, with a warning."""
    said = ctx.text(node)
    if said is None or said in tuple(known):
        return said
    lower = said.lower()
    meant = names.get(lower, lower)
    if meant not in tuple(known):
        return said
    reword(ctx, node, meant, f"{said!r} is read as {meant!r}")
    return meant


def reword(ctx: Context, node: Node, meant: str | int | None, message: str) -> None:
    """Say that a value was taken for another, which the hint and the repair write."""
    edit = Rewrite(node=node, value=meant)
    ctx.warn("renamed-value", message, node, f"write {quoted(meant)}", edits=(edit,))


def entries(
    ctx: Context, node: Node, known: Iterable[str], renames: Mapping[str, str], what: str
) -> dict[str, Node]:
    """The entries of a mapping by the names the dialect has for them.

    A key that means another is taken for it, with a warning; one that means nothing is diagnosed.
    """
    names = tuple(known)
    misnamed = {
        key: renames[key]
        for key in node.mapping
        if key not in names and key in renames and not node.has(renames[key])
    }
    ctx.keys(node, (*names, *misnamed), what)
    found: dict[str, Node] = {}
    for key in node.mapping:
        child = node.get(key)
        if child is None:
            continue
        if key in misnamed:
            meant = misnamed[key]
            message = f"{what} has no key {key!r}; it is read as {meant!r}"
            edit = Rename(node=child, name=meant)
            hint = f"write {quoted(meant)}"
            ctx.warn("renamed-key", message, child, hint, key=True, edits=(edit,))
            found[meant] = child
        elif key in names:
            found[key] = child
    return found


def is_link(path: tuple[str | int, ...]) -> bool:
    """Whether a path into an answer ends in the name of a link."""
    if not path or not isinstance(path[-1], str):
        return False
    last = path[-1].lower()
    holder = str(path[-2]).lower() if len(path) > 1 else ""
    return last in _LINK_KEYS or (last == "next" and holder in _LINK_HOLDERS)


def quoted(value: object) -> str:
    """A value as the document would write it."""
    return json.dumps(value, ensure_ascii=False)


def pairs(**values: object) -> str:
    """Entries of a mapping as the document would write them."""
    return ", ".join(f"{quoted(k)}: {quoted(v)}" for k, v in values.items())
