"""What auth of a configuration leaves out, from where dlt looks for it.

A field that is not given is a value below `credentials`, in the sections of the source that the
configuration is for. What is found there is put in as a reference; what is not is left to the
dialect, which asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from penstock.dialects.dlt.standin.base.marks import Marked
from penstock.dialects.dlt.standin.base.record import current
from penstock.dialects.dlt.standin.base.references import ABSENT, Known, Reference, Sections
from penstock.dialects.dlt.standin.rest_client import signers
from penstock.dialects.dlt.standin.rest_client.registry import changed, of_resources, with_changed
from penstock.dialects.dlt.standin.values.specs import needed, within

BELOW = "credentials"
_KINDS: dict[str, type[signers.AuthConfigBase]] = {
    cls.kind: cls
    for cls in (
        signers.BearerTokenAuth,
        signers.APIKeyAuth,
        signers.HttpBasicAuth,
        signers.OAuth2ClientCredentials,
    )
}
_PLAIN = {"name", "location"}  # which the plan needs to know, and not only the run


def completed(config: Mapping[str, Any], sections: Sections | None = None) -> Mapping[str, Any]:
    """A configuration whose auth has what stands in the sections of its source."""
    inside = current().sections
    at = sections or (inside[-1] if inside else within("rest_api", "rest_api"))

    def change(held: Any) -> Any:
        if not isinstance(held, Mapping) or held.get("auth") is None:
            return held
        return with_changed(held, "auth", lambda said: _filled(said, at))

    made = with_changed(config, "client", change)
    return of_resources(made, change)


def _filled(said: Any, sections: Sections) -> Any:
    """An auth with the fields that were found."""
    if isinstance(said, signers.AuthConfigBase):
        return _instance(said, sections)
    given = said if isinstance(said, Mapping) else {}
    kind = str(given.get("type", "bearer")) if given or said == {} else said
    cls = _KINDS.get(str(kind)) if isinstance(kind, str) else None
    absent = [f for f in cls.fields if given.get(f) is None] if cls is not None else []
    if cls is None or not set(absent) & set(cls.needed):
        return said
    found = _found(cls, absent, sections)
    if not found:
        return said
    made: Mapping[str, Any] = given or Marked({"type": kind})
    for name, value in found.items():
        made = changed(made, name, value)
    return made


def _found(cls: type[signers.AuthConfigBase], fields: Iterable[str], sections: Sections) -> Any:
    """The values that there are of some fields, and what stands in place of all of them."""
    made: dict[str, Any] = {}
    for field in fields:
        name = sections.of(f"{BELOW}.{field}")
        if name is not None:
            made[field] = _reference(name, field)
    whole = sections.of(BELOW) if cls.native and cls.native not in made else None
    if whole is not None and isinstance(Known.lookup(whole), str):
        made[cls.native] = _reference(whole, cls.native)
    return made


def _reference(name: str, field: str) -> Any:
    found = Reference(name)
    return found.resolved() if field in _PLAIN else found


def _instance(auth: signers.AuthConfigBase, sections: Sections) -> signers.AuthConfigBase:
    """The instance, with a reference for each field that it needs and was not given."""
    cls = type(auth)
    absent = [f for f in cls.fields if getattr(auth, f, None) is None]
    wanted = [f for f in absent if f in needed(cls)]
    if not wanted:
        return auth
    found = _found(cls, absent, sections)
    own = not cls.own
    for field in absent:
        if field in found:
            vars(auth)[field] = found[field]
        elif own and field in wanted:
            vars(auth)[field] = Reference(f"{BELOW}.{field}")
    return auth


def spelled(name: str, value: Any) -> Any:
    """A table of values as a configuration; what it says of auth are references to it."""
    if not isinstance(value, Mapping):
        return value
    return {
        key: _referring(f"{name}.{key}", inner)
        if key == "auth"
        else spelled(f"{name}.{key}", inner)
        for key, inner in value.items()
    }


def _referring(name: str, value: Any) -> Any:
    """What a table says of auth; what is more than a word for its kind is a reference."""
    if not isinstance(value, Mapping):
        return value
    plain = {"type", *_PLAIN}
    return {
        key: Reference(f"{name}.{key}") if isinstance(held, str) and key not in plain else held
        for key, held in value.items()
    }


def configured(key: str) -> Any:
    """What the values say of a parameter of `rest_api`, or None."""
    name = within("rest_api", "rest_api").of(key)
    found = ABSENT if name is None else Reference(name).known()
    return None if found is ABSENT or name is None else spelled(name, found)
