"""`dlt.sources.rest_api.config_setup`: classes of a script's own that a configuration names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from penstock.dialects.dlt.standin import paginators, signers
from penstock.dialects.dlt.standin.calling import Action, IgnoreResponseException
from penstock.dialects.dlt.standin.marks import Marked
from penstock.dialects.dlt.standin.record import current


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
    """A configuration in which what names a class of the script's own is an instance of it."""
    if not current().registered:
        return config
    made = _with(config, "client", _parts)
    made = _with(made, "resource_defaults", _of_resource)
    listed = made.get("resources")
    if isinstance(listed, (list, tuple)):
        made = _changed(made, "resources", [_of_resource(one) for one in listed])
    return made


def _of_resource(resource: Any) -> Any:
    return _with(resource, "endpoint", _parts) if isinstance(resource, Mapping) else resource


def _parts(held: Any) -> Any:
    """A client or an endpoint, its paginator and its auth made."""
    if not isinstance(held, Mapping):
        return held
    for what in ("paginator", "auth"):
        held = _with(held, what, partial(_instance, what))
    return held


def _instance(what: str, said: Any) -> Any:
    given = dict(said) if isinstance(said, Mapping) else {}
    name = given.pop("type", None) if given else said
    known = current().registered
    made = known.get((what, name)) if isinstance(name, str) else None
    return said if made is None else made(**given)


def _with(held: Mapping[str, Any], key: str, change: Callable[[Any], Any]) -> Mapping[str, Any]:
    if key not in held:
        return held
    made = change(held[key])
    return held if made is held[key] else _changed(held, key, made)


def _changed(held: Mapping[str, Any], key: str, value: Any) -> Mapping[str, Any]:
    """A copy with another value, which knows the places of the first one."""
    made = held.copy() if isinstance(held, Marked) else dict(held)
    dict.__setitem__(made, key, value)
    return made


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
        "IgnoreResponseException": IgnoreResponseException,
    }
