"""Parents: the streams whose records a child is asked with, said or inferred."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import msgspec

from penstock.dialects.dlt.context import Context, nearest
from penstock.dialects.dlt.expr import Bindings, Wanted, partition_value, template
from penstock.dialects.dlt.repairs import pairs, quoted
from penstock.dialects.dlt.resources import Resource
from penstock.dialects.document import Node
from penstock.dialects.repairing import edits
from penstock.plan.expr import JsonValue
from penstock.plan.hints import Hints
from penstock.plan.records import Keys
from penstock.plan.request import Param, Slot
from penstock.plan.slices import Field, Parent, Partition, Product, Values


class Draft(msgspec.Struct, kw_only=True):
    """A stream whose parents are being found."""

    resource: Resource
    bindings: Bindings
    hints: Hints
    path: str
    columns: tuple[str, ...] = ()  # what its records carry from the parent

    @property
    def parent(self) -> str | None:
        """The parent it has so far."""
        return next(iter(self.bindings.parents), None)

    @property
    def segments(self) -> list[str]:
        """The segments of its path."""
        path = re.sub(r"\{\{.*?\}\}", "{}", self.path.partition("?")[0])
        return [segment for segment in path.split("/") if segment]

    @property
    def lists(self) -> str | None:
        """What its path lists: the last segment, unless that stands for one thing."""
        last = self.segments[-1] if self.segments else ""
        return None if "{" in last or not last else last.lower()


def infer(ctx: Context, drafts: Mapping[str, Draft]) -> None:
    """Find a parent for each value that a path takes from `stream_partition` and nobody gives."""
    waiting = [(d, w) for d in drafts.values() for w in d.bindings.wanted.values()]
    for draft, wanted in waiting:
        parents = list(_candidates(drafts, draft, wanted.name))
        if len(parents) == 1:
            _take(ctx, draft, wanted, parents[0])
        else:
            _refuse(ctx, draft, wanted, parents, drafts)


def _candidates(drafts: Mapping[str, Draft], child: Draft, name: str) -> Iterator[Draft]:
    """The streams that list what `name` identifies: the one called so, else all that do."""
    nouns = plurals(name)
    found = [
        draft
        for draft in drafts.values()
        if draft is not child
        and name not in draft.bindings.wanted
        and (draft.lists in nouns)
        and not _descends(drafts, draft, child.resource.name)
    ]
    called = [draft for draft in found if draft.resource.name.lower() in nouns]
    yield from called if len(called) == 1 else found


def plurals(name: str) -> set[str]:
    """What a list of the things an id stands for may be called: `user_id` gives `users`."""
    noun = re.sub(r"(?:_?(?:id|key|uuid|slug))$", "", name.lower()) or name.lower()
    found = {noun, f"{noun}s", f"{noun}es", noun.replace("_", "-") + "s"}
    if noun.endswith("y"):
        found.add(f"{noun[:-1]}ies")
    if "_" in noun:
        found |= plurals(noun.rpartition("_")[2])
    return found


def _descends(drafts: Mapping[str, Draft], draft: Draft, ancestor: str) -> bool:
    """Whether a stream has `ancestor` among those it depends on."""
    seen: set[str] = set()
    todo = list(draft.bindings.parents)
    while todo:
        name = todo.pop()
        if name == ancestor:
            return True
        if name not in seen and name in drafts:
            seen.add(name)
            todo += drafts[name].bindings.parents
    return False


def key_of(parent: Draft, name: str) -> str:
    """The field of a parent that a value called `name` comes from."""
    if any(column.name == name for column in parent.hints.columns):
        return name
    own = parent.hints.primary_key
    return own[0] if len(own) == 1 else "id"


def _take(ctx: Context, child: Draft, wanted: Wanted, parent: Draft) -> None:
    field = key_of(parent, wanted.name)
    name = parent.resource.name
    known = child.bindings.parents.setdefault(name, {})
    known[wanted.name] = Field(name=wanted.name, path=Keys(path=(field,)))
    child.bindings.parent_nodes.setdefault(name, wanted.node)
    message = f"{wanted.name!r} has no parent; it is taken from {name}.{field}"
    resolve: dict[str, JsonValue] = {"type": "resolve", "resource": name, "field": field}
    hint = f"add {pairs(params={wanted.name: resolve})}"
    edit = edits.Param(node=wanted.node, name=wanted.name, value=resolve)
    ctx.warn("inferred-parent", message, wanted.node, hint, edits=(edit,))


def _refuse(
    ctx: Context,
    child: Draft,
    wanted: Wanted,
    parents: list[Draft],
    drafts: Mapping[str, Draft],
) -> None:
    if parents:
        names = ", ".join(f"{p.resource.name}.{key_of(p, wanted.name)}" for p in parents)
        message = f"{wanted.name!r} could come from several parents: {names}"
        chosen = parents[0]
    else:
        others = [d for d in drafts.values() if d is not child and d.lists]
        names = ", ".join(d.resource.name for d in others) or "none"
        message = f"{wanted.name!r} has no parent, and no stream lists what it stands for"
        message += f"; streams that list something: {names}"
        chosen = None
    resource = chosen.resource.name if chosen else "<resource>"
    field = key_of(chosen, wanted.name) if chosen else "<field>"
    resolve = {"type": "resolve", "resource": resource, "field": field}
    hint = f"add {pairs(params={wanted.name: resolve})}"
    ctx.error("ambiguous-parent" if parents else "unknown-parent", message, wanted.node, hint)


def partition(ctx: Context, draft: Draft, names: set[str], *, cursor: bool) -> Partition | None:
    """The partition of a stream: its parents with every field it needs, and its lists.

    Where there are several, every combination of them is one, the last varying fastest. What
    records carry tells partitions apart too, but not with a `cursor`: that one is the parent's,
    whatever of it changes.
    """
    bindings = draft.bindings
    include = draft.resource.merged.get("include_from_parent")
    wanted = _included(ctx, include, draft.parent or "")
    if wanted and include is not None and len(bindings.parents) != 1 and not bindings.wanted:
        _without_one(ctx, include, tuple(bindings.parents))
        return None
    members: list[Partition] = []
    for stream, held in bindings.parents.items():
        if stream not in names:
            _unknown(ctx, stream, bindings.parent_nodes[stream], names)
            return None
        fields = _fields(ctx, draft, held, wanted)
        beside = [f for f in fields.values() if cursor and f.needed]
        members.append(
            Parent(
                stream=stream,
                fields=tuple(f for f in fields.values() if f not in beside),
                extras=tuple(beside),
            )
        )
    members += (_listed(bindings, name, node) for name, node in bindings.lists.items())
    if len(members) > 1:
        return Product(members=tuple(members))
    return members[0] if members else None


def _without_one(ctx: Context, include: Node, parents: tuple[str, ...]) -> None:
    """Say that there is no one parent to include fields from."""
    if not parents:
        message = "include_from_parent needs a parent, and this resource has none"
        hint = f"write {quoted('{resources.<resource>.<field>}')} in the path"
        ctx.error("unknown-parent", message, include, hint, key=True)
        return
    message = f"include_from_parent needs one parent, and this resource has: {', '.join(parents)}"
    hint = "carry the field of one through the other with its own include_from_parent"
    ctx.error("several-parents", message, include, hint, key=True)


def _fields(
    ctx: Context, draft: Draft, held: Mapping[str, Field], wanted: Mapping[str, str]
) -> dict[str, Field]:
    """The fields of a parent: those that requests need, and those that records carry."""
    fields = dict(held)
    for column, key in wanted.items():
        if column in fields and fields[column].path != Keys(path=(key,)):
            message = f"the column {column!r} has the name of another field of the parent"
            ctx.error("conflict", message, draft.resource.place, "give the column another name")
        if column not in fields:
            fields[column] = Field(name=column, path=Keys(path=(key,)), nullable=True, needed=True)
    draft.columns = tuple(wanted)
    return fields


def _listed(bindings: Bindings, name: str, node: Node) -> Values:
    """A partition for each value of a list, sent as a param unless the path has it."""
    param = Param(slot=Slot(place="query", path=(name,)), value=partition_value(name))
    return Values(
        name=name,
        values=template(bindings, node, "text"),
        params=() if name in bindings.used else (param,),
    )


def _included(ctx: Context, node: Node | None, parent: str) -> dict[str, str]:
    """The columns that `include_from_parent` gives, and the parent's key of each.

    A list of keys names the columns as dlt does; a mapping gives their names itself.
    """
    if node is not None and isinstance(node.value, dict):
        found = {column: ctx.text(node.get(column)) for column in node.mapping}
        return {column: key for column, key in found.items() if key is not None}
    return {f"_{parent}_{key}": key for key in ctx.texts(node)}


def _unknown(ctx: Context, stream: str, node: Node, names: set[str]) -> None:
    ctx.error("unknown-parent", f"there is no resource {stream!r}", node, nearest(stream, names))
