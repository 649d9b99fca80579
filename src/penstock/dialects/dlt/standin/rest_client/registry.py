"""`dlt.sources.rest_api.config_setup`: classes of a script's own that a configuration names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from penstock.dialects.dlt.standin.base.marks import Marked
from penstock.dialects.dlt.standin.base.record import current, remark
from penstock.dialects.dlt.standin.base.references import ABSENT, Composed, Reference
from penstock.dialects.dlt.standin.rest_client import paginators, signers
from penstock.dialects.dlt.standin.rest_client.calling import Action, IgnoreResponseException


def register_paginator(paginator_name: str, paginator_class: type) -> None:
    """Let configurations name a paginator of the script's own.

    Raises:
        ValueError: it is none.
    """
    _register("paginator", paginator_name, paginator_class, paginators.BasePaginator)


def register_auth(auth_name: str, auth_class: type) -> None:
    """Let configurations name an auth of the script's own.

    Raises:
        ValueError: it is none.
    """
    _register("auth", auth_name, auth_class, signers.AuthConfigBase)


def _register(what: str, name: str, made: type, root: type) -> None:
    if not issubclass(made, root):
        message = f"{made.__name__} is no subclass of {root.__name__}"
        raise ValueError(message)  # noqa: TRY004 (as dlt has it)
    current().registered[what, name] = made


def resolved(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """A configuration in which what names a class of the script's own is an instance of it.

    What resources are called, and how they are written, is what references stand for.
    """
    config = with_changed(config, "client", _without_session)
    config = with_changed(with_changed(config, "resource_defaults", _named), "resources", _all)
    if not current().registered:
        return config
    return of_resources(with_changed(config, "client", _parts), _parts)


def _all(listed: Any) -> Any:
    """The resources, each named."""
    if not isinstance(listed, (list, tuple)):
        return listed
    made = [_named(one) for one in listed]
    return listed if all(a is b for a, b in zip(made, listed, strict=True)) else made


def _named(item: Any) -> Any:
    """A resource in which what must be known before a run is what a reference stands for."""
    if not isinstance(item, Mapping):
        return _plain(item)
    for key in ("name", "table_name", "write_disposition"):
        item = with_changed(item, key, _plain)
    return item


def _plain(value: Any) -> Any:
    found = value.known() if isinstance(value, (Reference, Composed)) else ABSENT
    return value if found is None or found is ABSENT else found


def of_resources(config: Mapping[str, Any], change: Callable[[Any], Any]) -> Mapping[str, Any]:
    """A configuration with each endpoint changed, that of the defaults too."""

    def one(resource: Any) -> Any:
        held = isinstance(resource, Mapping)
        return with_changed(resource, "endpoint", change) if held else resource

    made = with_changed(config, "resource_defaults", one)
    listed = made.get("resources")
    if not isinstance(listed, (list, tuple)):
        return made
    items = [one(resource) for resource in listed]
    same = all(a is b for a, b in zip(items, listed, strict=True))
    return made if same else changed(made, "resources", items)


def _parts(held: Any) -> Any:
    """A client or an endpoint, its paginator and its auth made."""
    if not isinstance(held, Mapping):
        return held
    for what in ("paginator", "auth"):
        held = with_changed(held, what, partial(_instance, what))
    return held


def _instance(what: str, said: Any) -> Any:
    given = dict(said) if isinstance(said, Mapping) else {}
    name = given.pop("type", None) if given else said
    known = current().registered
    made = known.get((what, name)) if isinstance(name, str) else None
    return said if made is None else made(**given)


def with_changed(
    held: Mapping[str, Any], key: str, change: Callable[[Any], Any]
) -> Mapping[str, Any]:
    """A mapping in which a value that is there is another."""
    if key not in held:
        return held
    made = change(held[key])
    return held if made is held[key] else changed(held, key, made)


def changed(held: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy with another value, which knows the places of the first one."""
    made = held.copy() if isinstance(held, Marked) else dict(held)
    dict.__setitem__(made, key, value)
    return made


_LIBRARYS = {"accept", "accept-encoding", "connection", "user-agent"}  # headers of any session


def _without_session(client: Any) -> Any:
    """A client that says itself what its session would send; one that does more stays as it is."""
    session: Any = client.get("session") if isinstance(client, Mapping) else None
    headers = getattr(session, "headers", None)
    if not isinstance(headers, Mapping) or _does_more(session, client):
        return client
    own = {str(k): v for k, v in headers.items() if str(k).lower() not in _LIBRARYS}
    made = changed(client, "headers", {**own, **(client.get("headers") or {})})
    if getattr(session, "auth", None) is not None:
        user, password = session.auth
        made = changed(made, "auth", {"type": "http_basic", "username": user,
                                       "password": password})  # fmt: skip
    remark("of a session its headers and its name and password are used, and no more",
           "use timeout, retry, concurrency and rate_limit of the client")  # fmt: skip
    del made["session"]
    return made


def _does_more(session: Any, client: Mapping[str, Any]) -> bool:
    """Whether a session has what no key of a client says."""
    auth = getattr(session, "auth", None)
    pair = isinstance(auth, tuple) and len(auth) == 2 and client.get("auth") is None  # noqa: PLR2004 (name and password)
    unsafe = getattr(session, "verify", True) is not True or getattr(session, "cert", None)
    shared = getattr(session, "params", None) or getattr(session, "proxies", None)
    return bool((auth is not None and not pair) or unsafe or shared)


def create_response_hooks(
    response_actions: Iterable[Any] | None, *_: Any
) -> dict[str, list[Callable[..., Any]]] | None:
    """What a client calls with each answer: the actions, and what refuses an answer that failed."""
    if not response_actions:
        return None
    return {"response": [*map(_hook, response_actions), _refuse_failed]}


def _hook(said: Any) -> Callable[..., Any]:
    if not isinstance(said, Mapping):
        function: Callable[..., Any] = said
        return function
    does = said.get("action")
    functions = tuple(f for f in (does if isinstance(does, list) else [does]) if callable(f))
    action = Action(functions=functions, status=said.get("status_code"),
                    content=said.get("content"))  # fmt: skip

    def hook(response: Any, *args: Any, **kwargs: Any) -> Any:
        if not action.fits(response):
            return response
        if does == "ignore":
            raise IgnoreResponseException
        for function in action.functions:
            response = function(response, *args, **kwargs) or response
        return response

    return hook


def _refuse_failed(response: Any, *_: Any, **__: Any) -> None:
    response.raise_for_status()


def public() -> dict[str, Any]:
    """The names of the module."""
    return {
        "register_paginator": register_paginator,
        "register_auth": register_auth,
        "create_response_hooks": create_response_hooks,
        "make_parent_key_name": lambda resource_name, field_name: f"_{resource_name}_{field_name}",
        "IgnoreResponseException": IgnoreResponseException,
    }
