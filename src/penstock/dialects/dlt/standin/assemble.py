"""The configuration that a script's sources amount to: one dict, whatever was done to its parts."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from penstock.dialects.dlt.models import is_model
from penstock.dialects.dlt.records import single_entity
from penstock.dialects.dlt.resources import FED, HOME, LIMIT, NTH, ROWS
from penstock.dialects.dlt.standin.base.errors import Refusal
from penstock.dialects.dlt.standin.base.marks import Marked
from penstock.dialects.dlt.standin.resources.rows import Limit, Rows
from penstock.dialects.dlt.standin.resources.sources import ON_SOURCE, DltResource, DltSource
from penstock.patterns import pattern
from penstock.plan.variants import same

_PUSHED = {"base_url", "auth", "headers", "paginator"}
_PARENT = pattern(r"\{resources\.([^.{}]+)\.")
_MERGED = ("params", "json")


def assemble(sources: Iterable[DltSource]) -> list[Mapping[str, Any]]:
    """The configurations of these sources, which are loaded together.

    It is one, unless resources of several sources are called the same.

    Raises:
        Refusal: their clients say things that only a whole source can have.
    """
    whole = list(sources)
    for nth, source in enumerate(whole):
        source.__dict__["nth"] = nth
    listed = [(resource, source) for source in whole for resource in source.own_resources]
    return [_assembled(_with_parents(layer)) for layer in _layers(_together(listed))]


def _layers(
    listed: list[tuple[DltResource, DltSource]],
) -> list[list[tuple[DltResource, DltSource]]]:
    """The resources of whole sources, in as few lists as have no name twice."""
    layers: list[list[tuple[DltResource, DltSource]]] = [[]]
    for group in _groups(listed):
        names = {resource.name for resource, _ in group}
        free = (layer for layer in layers if not any(r.name in names for r, _ in layer))
        layer = next(free, None)
        if layer is None:
            layers.append(group)
        else:
            layer += group
    return layers


def _groups(
    listed: list[tuple[DltResource, DltSource]],
) -> Iterator[list[tuple[DltResource, DltSource]]]:
    """The resources of each source; those that come again there apart, in lists of their own."""
    for _, held in groupby(listed, key=lambda pair: id(pair[1])):
        left = list(held)
        while left:
            first = {resource.name: nth for nth, (resource, _) in reversed([*enumerate(left)])}
            taken = set(first.values())
            yield [pair for nth, pair in enumerate(left) if nth in taken]
            left = [pair for nth, pair in enumerate(left) if nth not in taken]


def _assembled(listed: list[tuple[DltResource, DltSource]]) -> Mapping[str, Any]:
    """The configuration of resources that each have a name of their own."""
    if not listed:
        return Marked({"resources": [], "client": {"base_url": ""}})
    configs = _configs(resource for resource, _ in listed if resource.config is not None)
    configs = configs or [Marked({"client": {"base_url": ""}, "resources": []})]
    if len(configs) == 1:
        return _single(configs[0], listed)
    return _several(configs, listed)


def _together(
    listed: list[tuple[DltResource, DltSource]],
) -> list[tuple[DltResource, DltSource]]:
    """The resources, those that are made in Python and called the same as one that has all rows.

    One that replaces its table would drop the rows of those before; it stays apart, and is told of.
    """
    found: dict[str, tuple[DltResource, DltSource]] = {}
    others: list[tuple[DltResource, DltSource]] = []
    for resource, source in listed:
        first = found.setdefault(resource.name, (resource, source))[0]
        if first is resource:
            continue
        rows, more = first.rows, resource.rows
        alike = (first.hints, first.steps, first.incremental, first.parent, first.selected) == (
            resource.hints, resource.steps, resource.incremental, resource.parent,
            resource.selected,
        ) and first.limit is resource.limit is None  # fmt: skip
        append = first.hints.get("write_disposition") != "replace"
        if rows is None or more is None or not (alike and append and rows.joins(more)):
            others.append((resource, source))
            continue
        joined, held, more = first.copied(), copy.copy(rows), copy.copy(more)
        more.nth = source.nth
        held.more = (*rows.more, more)
        apart = source.own_home != found[resource.name][1].own_home
        joined.item = _with(first.item, {ROWS: held, **({HOME: ""} if apart else {})})
        found[resource.name] = (joined, found[resource.name][1])
    return [*found.values(), *others]


def _with_parents(
    listed: list[tuple[DltResource, DltSource]],
) -> list[tuple[DltResource, DltSource]]:
    """The resources, and those that feed transformers among them: these are read, not loaded."""
    found = list(listed)
    known = {resource.name: resource for resource, _ in found}
    for nth, (resource, source) in enumerate(found):
        parent = resource.parent
        if resource.rows is not None and resource.rows.takes_items and parent is None:
            message = f"the transformer {resource.name!r} has no resource to take items from"
            spot = resource.item.spot
            raise Refusal(message, f"write RESOURCE | {resource.name}", spot=spot)
        if parent is None:
            continue
        name = _name_for(parent, resource, known)
        if name not in known:
            fed = parent.copied() if name == parent.name else parent.called(name)
            fed.selected = False
            known[name] = fed
            found.append((fed, source))
        if name != parent.name:
            below = resource.copied()
            below.feed(known[name])
            found[nth] = below, source
    return found


def crossed(sources: Iterable[DltSource]) -> DltResource | None:
    """A resource that one source only reads for what is below, and another loads and reads else.

    One of them would be lost if they were loaded together.
    """
    held = [(source, [*source.own_resources, *source.own_passed.values()]) for source in sources]
    loaded: dict[str, list[tuple[DltSource, DltResource]]] = {}
    for source, resources in held:
        for one in resources:
            if one.selected is not False:
                loaded.setdefault(one.name, []).append((source, one))
    for source, resources in held:
        for above in _only_read(resources):
            others = (one for of, one in loaded.get(above.name, ()) if of is not source)
            if any(not _reads_alike(above, other) for other in others):
                return above
    return None


def _only_read(resources: Sequence[DltResource]) -> Iterator[DltResource]:
    """What is not loaded of a source, and read for what is."""
    own = {resource.name: resource for resource in resources}
    left = [resource for resource in resources if resource.selected is not False]
    seen = {resource.name for resource in left}
    while left:
        below = left.pop()
        config = below.config if isinstance(below.config, Mapping) else {}
        items = {_name(item): item for item in config.get("resources") or ()}
        for name in parents_in(below.item):
            if name in seen or name not in own.keys() | items.keys():
                continue
            seen.add(name)
            item = items.get(name)
            implied = item if isinstance(item, DltResource) else None
            above = own.get(name) or implied or DltResource(below.config, item, name)
            left.append(above)
            yield above


def _name_for(parent: DltResource, below: DltResource, known: Mapping[str, DltResource]) -> str:
    """What a resource is called that another one is fed by: one of its name may read else.

    Raises:
        Refusal: it is one of a configuration that needs others there, which keep their names.
    """
    name = parent.name
    while name in known and not _reads_alike(parent, known[name]):
        name = f"{name}_{below.name}"
    if name != parent.name and any(parents_in(parent.item)):
        message = f"{below.name!r} has a parent called as another resource: {parent.name}"
        raise Refusal(message, "load each with a script of its own", spot=below.item.spot)
    return name


def _reads_alike(one: DltResource, other: DltResource) -> bool:
    """Whether two resources read the same, so that what is below both may be fed by one."""
    if (one.parent is None) != (other.parent is None):
        return False
    if one.parent is not None and other.parent is not None:
        return _reads_alike(one.parent, other.parent) and _made_alike(one, other)
    return _made_alike(one, other)


def _made_alike(one: DltResource, other: DltResource) -> bool:
    """The same without what feeds them."""
    if (one.steps, one.incremental, one.limit) != (other.steps, other.incremental, other.limit):
        return False
    rows, others = one.rows, other.rows
    if rows is None or others is None:
        clients = one.config is not None and other.config is not None
        return clients and _alike(one.config, other.config) and _same(one.item, other.item)
    given = [dict(enumerate(rows.args)) | rows.named, dict(enumerate(others.args)) | others.named]
    return same(rows.function, others.function) and _same(*given)


def _configs(resources: Iterable[DltResource]) -> list[Any]:
    """The configurations, those with the same client once."""
    found: list[Any] = []
    for resource in resources:
        if not any(_alike(resource.config, known) for known in found):
            found.append(resource.config)
    return found


def _alike(one: Any, other: Any) -> bool:
    """Whether resources of both can stand in one list."""
    if one is other:
        return True
    keys = ("client", "resource_defaults")
    return all(_same(one.get(key), other.get(key)) for key in keys)


def _same(one: Any, other: Any) -> bool:
    """Whether two values say the same; references are compared by name, objects by identity."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    if isinstance(one, str) and isinstance(other, str):
        return str.__str__(one) == str.__str__(other)
    return one is other or (type(one) is type(other) and bool(one == other))


def _single(config: Any, listed: list[tuple[DltResource, DltSource]]) -> Mapping[str, Any]:
    """The configuration itself, with its resources as they are now."""
    if any(resource.item is None for resource, _ in listed):
        return _copied(config)
    root = _copied(config)
    items = [_item(resource, source) for resource, source in listed]
    passed = {
        name: (one, source) for _, source in listed for name, one in source.own_passed.items()
    }
    left = list(_left(config, listed))
    items += [_unselected(_item(*passed[n]) if n in passed else item) for n, item in left]
    root["resources"] = items
    if isinstance(config, Marked) and isinstance(root, Marked) and "resources" in config.marks:
        mark = config.marks["resources"]
        root.marks["resources"] = mark._replace(items=mark.items if _kept(config, items) else ())
    return root


def _left(
    first: Any, listed: list[tuple[DltResource, DltSource]]
) -> Iterator[tuple[str | None, Any]]:
    """The resources of the configurations of these, all with one client, that are not listed.

    Raises:
        Refusal: one that is needed is called as another, which is read otherwise.
    """
    known: dict[str | None, Any] = {one.name: (one.item, one.config) for one, _ in listed}
    taken = {id(item) for item, _ in known.values()}
    configs = {id(one.config): one.config for one, _ in listed if one.config is not None}
    for config in {id(first): first, **configs}.values():
        own = {_name(item): item for item in config["resources"]}
        for name, item in own.items():
            if name not in known and id(item) not in taken:
                known[name] = item, config
                yield name, item
        needed = (
            (one, n) for one, _ in listed if one.config is config for n in parents_in(one.item)
        )
        for below, name in needed:
            item, home = known.get(name, (None, None))
            if (
                name in own
                and (home is not None and home is not config)
                and not _same(item, own[name])
            ):
                raise _called_alike(below, name)


def _called_alike(below: DltResource, name: str) -> Refusal:
    message = f"{below.name!r} has a parent called as one of another source: {name}"
    spot = getattr(below.item, "spot", None)
    return Refusal(message, "load each with a script of its own", spot=spot)


def _kept(config: Any, items: list[Any]) -> bool:
    """Whether the list still has one item for each that was written."""
    return len(items) == len(config["resources"])


def _name(item: Any) -> str | None:
    """What an item of a configuration is called, if it says so."""
    if isinstance(item, DltResource):
        return item.name
    said = item.get("name") if isinstance(item, Mapping) else item
    return said if isinstance(said, str) else None


def _mapping(said: Any) -> Mapping[str, Any]:
    """What a script gave for a mapping; another thing is told when it is compiled."""
    return said if isinstance(said, Mapping) else {}


def _unselected(item: Any) -> Any:
    """A resource that the script did not take: its children may still need it."""
    if isinstance(item, DltResource):
        item = item.item
    if isinstance(item, Mapping):
        return _with(item, {"selected": False})
    return {"name": item, "selected": False}


def _copied(config: Mapping[str, Any]) -> dict[str, Any]:
    return config.copy() if isinstance(config, Marked) else Marked(config)


def _with(item: Mapping[str, Any], entries: Mapping[str, Any]) -> Marked:
    """The item with other entries, which stand where it stands."""
    copied = Marked(item, item.spot if isinstance(item, Marked) else None)
    dict.update(copied, entries)
    return copied


def _item(resource: DltResource, source: DltSource) -> Any:
    """A resource's item with what the script changed about it."""
    item, hints = resource.item, dict(resource.hints)
    held = item if isinstance(item, Mapping) else {}
    defaults = _mapping((resource.config or {}).get("resource_defaults"))
    columns = hints.get("columns", held.get("columns", defaults.get("columns")))
    for key, value in source.own_settings.items():
        models = key == "schema_contract" and is_model(columns)  # it has a contract of its own
        if key in ON_SOURCE and key not in held and key not in defaults and not models:
            hints.setdefault(key, value)
    if resource.chosen is not None:
        hints["selected"] = resource.chosen
    if resource.steps:
        hints["processing_steps"] = resource.whole_steps()
    if resource.incremental is not None:
        hints["endpoint"] = _with(_endpoint(item), {"incremental": resource.incremental})
    rows = copy.copy(resource.rows)
    if rows is not None:
        rows.resource, hints[ROWS] = resource, rows
    if resource.limit is not None:
        hints.update(_limited(resource.limit, rows))
    if resource.parent is not None:
        hints[FED] = resource.parent.name
    if rows is not None and source.nth:
        hints[NTH] = source.nth
    if source.own_home and HOME not in held:
        hints[HOME] = source.own_home
    if not hints:
        return item
    return _with(item if isinstance(item, Mapping) else {"name": item}, hints)


def _limited(limit: Limit, rows: Rows | None) -> dict[str, Any]:
    """The entries by which only a part of a resource is read; a transformer is never limited."""
    if rows is not None and rows.takes_items:
        return {}
    return {"selected": False} if limit.most == 0 else {LIMIT: limit}


def _endpoint(item: Any) -> Mapping[str, Any]:
    """The endpoint of an item as a dict."""
    if not isinstance(item, Mapping):
        return {"path": item}
    held = item.get("endpoint")
    if isinstance(held, str):
        return {"path": held}
    return held if isinstance(held, Mapping) else {}


# Several clients: what each says goes to the endpoints of its resources.


def _several(configs: list[Any], listed: list[tuple[DltResource, DltSource]]) -> Mapping[str, Any]:
    for config in configs:
        _movable(config)
    first = configs[0]["client"]
    client = _with(first, {})
    for key in _PUSHED - {"base_url"}:
        client.pop(key, None)
    whole = [*listed, *_needed(listed)]
    items = [_moved(resource, _item(resource, source)) for resource, source in whole]
    return Marked({"client": client, "resources": items})


def _needed(
    listed: list[tuple[DltResource, DltSource]],
) -> Iterator[tuple[DltResource, DltSource]]:
    """The parents of these resources that a script has not taken along: they are only read.

    Raises:
        Refusal: one is called as a resource of another configuration.
    """
    homes = {resource.name: resource.config for resource, _ in listed}
    left = [pair for pair in listed if pair[0].config is not None]
    for resource, source in left:
        below = {_name(item): item for item in resource.config["resources"]}
        for name in parents_in(resource.item):
            if name in below and name not in homes:
                item = below[name]
                taken = isinstance(item, DltResource)
                above = item.copied() if taken else DltResource(resource.config, item, name)
                above.selected = False
                homes[name] = resource.config
                left.append((above, source))
                yield above, source
            elif name in below and not _alike(homes[name], resource.config):
                raise _called_alike(resource, name)


def parents_in(value: Any) -> Iterator[str]:
    """The names of resources that a value of a configuration takes fields of."""
    if isinstance(value, str):
        yield from _PARENT.findall(str.__str__(value))
    elif isinstance(value, Mapping):
        if value.get("type") == "resolve":
            yield str(value.get("resource"))
        for one in value.values():
            yield from parents_in(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from parents_in(one)


def _movable(config: Any) -> None:
    client = config.get("client")
    more = set(client) - _PUSHED if isinstance(client, Mapping) else {"client"}
    if more or not isinstance(config.get("resources"), (list, tuple)):
        said = ", ".join(sorted(more)) or "resources"
        message = f"sources with several clients cannot be loaded together where one has {said!r}"
        raise Refusal(message, "load each with a script of its own")


def _moved(resource: DltResource, item: Any) -> Marked:
    """A resource that stands on its own: URL, auth, headers and paginator in its endpoint."""
    if resource.config is None:
        return _with(item, {})
    client = resource.config["client"]
    defaults = _mapping(resource.config.get("resource_defaults"))
    endpoint = _merged(_endpoint(defaults), _endpoint(item))
    path = endpoint.get("path", resource.name)
    changes: dict[str, Any] = {"path": _joined(client.get("base_url", ""), path)}
    changes["auth"] = endpoint.get("auth", client.get("auth"))
    headers = {k: _escaped(v) for k, v in (client.get("headers") or {}).items()}
    if headers or endpoint.get("headers"):
        changes["headers"] = {**headers, **(endpoint.get("headers") or {})}
    paginator = endpoint.get("paginator")
    if paginator is None and not single_entity(str.__str__(path)):
        paginator = client.get("paginator")
    changes["paginator"] = paginator
    held = item if isinstance(item, Mapping) else {"name": item}
    whole = _with(held, {k: v for k, v in defaults.items() if k not in held})
    return _with(whole, {"endpoint": _with(endpoint, changes)})


def _merged(defaults: Mapping[str, Any], endpoint: Mapping[str, Any]) -> Mapping[str, Any]:
    both = _with(endpoint, {k: v for k, v in defaults.items() if k not in endpoint})
    for key in _MERGED:
        one, two = defaults.get(key), endpoint.get(key)
        if isinstance(one, Mapping) and isinstance(two, Mapping):
            dict.__setitem__(both, key, {**one, **two})
    return both


def _joined(base: Any, path: Any) -> Any:
    text = str.__str__(path)
    if text.startswith(("http://", "https://")) or not base:
        return path
    return f"{_escaped(base).rstrip('/')}/{text.lstrip('/')}"


def _escaped(text: Any) -> Any:
    """A text of a client, where braces are literal, for an endpoint, where they are not."""
    if not isinstance(text, str):
        return text
    return str.replace(str.replace(str.__str__(text), "{", "{{"), "}", "}}")
