"""Decoders, a key of Penstock's own: how the bodies of an endpoint become records."""

from __future__ import annotations

from typing import get_args

from penstock.dialects.dlt.context import Context
from penstock.dialects.document import Node
from penstock.plan.decoder import Decoder, Format

_FORMATS: tuple[Format, ...] = get_args(Format)
_KEYS = ("type", "gzip", "zip", "encoding", "delimiter", "nulls", "items")


def decoder(ctx: Context, node: Node | None) -> Decoder | None:
    """The decoder of an endpoint; None where it says none: bodies are JSON."""
    if node is None or node.value is None:
        return None
    if isinstance(node.value, str):
        return Decoder(format=_format(ctx, node))
    if not ctx.mapping(node):
        return None
    ctx.keys(node, _KEYS, "a decoder")
    default = Decoder()
    items = ctx.text(node.get("items"))
    made = Decoder(
        format=_format(ctx, node.get("type")),
        gzip=ctx.flag(node.get("gzip"), default=False),
        zip=ctx.flag(node.get("zip"), default=False),
        encoding=ctx.text(node.get("encoding"), default.encoding) or default.encoding,
        delimiter=ctx.text(node.get("delimiter"), default.delimiter) or default.delimiter,
        nulls=ctx.texts(node.get("nulls")),
        items=tuple(items.split(".")) if items else (),
    )
    wrong = made.wrong()
    if wrong is not None:
        ctx.error("bad-decoder", wrong, node)
    return made


def _format(ctx: Context, node: Node | None) -> Format:
    chosen = ctx.choice(node, _FORMATS, "json")
    return next(one for one in _FORMATS if one == chosen)
