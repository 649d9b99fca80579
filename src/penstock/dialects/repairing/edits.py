"""What a repair does to the text of a document, said of its nodes."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from penstock.dialects.document import Joined, Node, SecretRef
from penstock.plan.expr import JsonValue


class Rename(msgspec.Struct, frozen=True, kw_only=True):
    """The node's key gets another name."""

    node: Node
    name: str


class Rewrite(msgspec.Struct, frozen=True, kw_only=True):
    """The node's value becomes another."""

    node: Node
    value: JsonValue | SecretRef | Joined


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """The mapping that the node stands in gets another entry, beside the node's own."""

    node: Node
    name: str
    value: JsonValue | SecretRef


class Into(msgspec.Struct, frozen=True, kw_only=True):
    """The node's entry moves into the mapping `holder` of the mapping that it stands in.

    With `name` it is called so there, with `value` it has that value.
    """

    node: Node
    holder: str
    name: str | None = None
    value: str | None = None


class Param(msgspec.Struct, frozen=True, kw_only=True):
    """The endpoint whose path the node is gets an entry in `params`."""

    node: Node
    name: str
    value: JsonValue | SecretRef


Edit: TypeAlias = Rename | Rewrite | Beside | Into | Param
