"""Configuration classes, as `@configspec` makes them: what a script reads of values by their names.

A parameter that is declared as one is filled in with an instance, each field a reference to the
value of its name below that of the parameter.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from typing import Any, ClassVar
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import msgspec

from penstock.dialects.dlt.standin.base import references
from penstock.dialects.dlt.standin.base.record import pipelines
from penstock.dialects.dlt.standin.base.references import (
    ABSENT,
    Composed,
    Known,
    Reference,
    Sections,
    Unnamed,
    plain,
)
from penstock.dialects.dlt.standin.rest_client.parts import OF_MAPPINGS, Part
from penstock.dialects.dlt.standin.rest_client.signers import AuthConfigBase
from penstock.plan.variants import SENSITIVE


class BaseConfiguration(Part):
    """Values that belong together."""

    what = "configuration"
    more = OF_MAPPINGS

    def _prepare(self) -> None:
        """Set the fields; those that are not given are as the class has them."""
        for name in type(self).fields:
            if name not in vars(self):
                vars(self)[name] = self.given.get(name, _default(type(self), name))

    def __iter__(self) -> Iterator[str]:
        return iter(type(self).fields)

    def keys(self) -> tuple[str, ...]:
        """The names of the fields."""
        return type(self).fields

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def __setitem__(self, name: str, value: Any) -> None:
        setattr(self, name, value)

    def update(self, values: Any = (), **named: Any) -> None:
        """Set several fields."""
        for name, value in dict(values, **named).items():
            self[name] = value

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a field."""
        return vars(self).get(name, default)

    def is_resolved(self) -> bool:
        """Whether its values are known: who needs one asks for it."""
        return True

    def parse_native_representation(self, native_value: Any) -> None:
        """Take the values from one text, where the class has such a form."""
        raise ValueError(f"{type(self).__name__} has no form in one text: {native_value!r}")

    def on_resolved(self) -> None:
        """What a class of the script's own does once its values are known."""


class CredentialsConfiguration(BaseConfiguration):
    """Values that are to be kept secret."""

    def to_native_representation(self) -> Any:
        """The same in one text, where the class has such a form."""
        return dict(self)


class ConnectionStringCredentials(CredentialsConfiguration):
    """What leads to a database: a URL, or its parts."""

    fields: ClassVar[tuple[str, ...]] = (
        *("drivername", "database", "password", "username", "host", "port", "query"),
    )
    native: Any = None
    drivername: str | None = None
    database: str | None = None
    password: str | None = None
    username: str | None = None
    host: str | None = None
    port: int | None = None
    query: dict[str, Any] | None = None

    def __init__(self, *args: Any, **named: Any) -> None:
        if len(args) == 1 and isinstance(args[0], str):
            super().__init__(**named)
            self.parse_native_representation(args[0])
        else:
            super().__init__(*args, **named)

    def parse_native_representation(self, native_value: Any) -> None:
        """Take a URL, and its parts."""
        self.native = native_value
        text = native_value.known() if isinstance(native_value, Reference) else native_value
        if not isinstance(text, str) or "://" not in text:
            return
        found = urlsplit(text)
        self.drivername, self.database = found.scheme, unquote(found.path.lstrip("/")) or None
        self.host, self.port = found.hostname, found.port
        self.username = unquote(found.username) if found.username else None
        self.password = unquote(found.password) if found.password else None
        self.query = dict(parse_qsl(found.query)) or None

    def to_native_representation(self) -> Any:
        """The URL."""
        if self.native is not None:
            return self.native
        said = {name: plain(value) for name, value in dict(self).items()}
        who = ":".join(quote(str(said[n]), safe="") for n in ("username", "password") if said[n])
        port = f":{said['port']}" if said["port"] else ""
        asked = f"?{urlencode(said['query'])}" if said["query"] else ""
        return f"{said['drivername']}://{who}@{said['host']}{port}/{said['database']}{asked}"

    def __str__(self) -> str:
        return str(self.to_native_representation())


class PostgresCredentials(ConnectionStringCredentials):
    """The same of Postgres."""

    drivername: str | None = "postgresql"
    port: int | None = 5432


class DuckDbCredentials(ConnectionStringCredentials):
    """The file of a DuckDB database, or a connection to one."""

    drivername: str | None = "duckdb"

    def __init__(self, conn_or_path: Any = None, **settings: Any) -> None:
        super().__init__(**settings)
        if isinstance(conn_or_path, str):
            self.database = conn_or_path
        else:
            self.native = conn_or_path


class OAuth2Credentials(CredentialsConfiguration):
    """A client of an API, and the token that a class of the script's own obtains for it."""

    fields: ClassVar[tuple[str, ...]] = (
        *("client_id", "client_secret", "refresh_token", "scopes", "token"),
    )
    refresh_token: str | None = None
    scopes: list[str] | None = None
    token: str | None = None

    def auth(self, scopes: Any = None, redirect_url: str | None = None) -> None:
        """Obtain the token, in a class that says how."""
        raise NotImplementedError

    def add_scopes(self, scopes: Any) -> None:
        """Ask for more."""
        given = [scopes] if isinstance(scopes, str) else list(scopes or ())
        self.scopes = list(dict.fromkeys([*(self.scopes or ()), *given]))


_CREDENTIALS = (
    *("AwsCredentials", "AwsCredentialsWithoutDefaults", "AzureCredentials"),
    *("AzureCredentialsWithoutDefaults", "AzureServicePrincipalCredentials", "GcpCredentials"),
    *("GcpOAuthCredentials", "GcpOAuthCredentialsWithoutDefaults", "GcpServiceAccountCredentials"),
    *("GcpServiceAccountCredentialsWithoutDefaults", "HfCredentials"),
)


def public() -> dict[str, Any]:
    """The classes of `dlt.common.configuration.specs`, and what makes one of a script's own."""
    made = {name: type(name, (CredentialsConfiguration,), {}) for name in _CREDENTIALS}
    return {
        **made,
        "configspec": configspec,
        "BaseConfiguration": BaseConfiguration,
        "CredentialsConfiguration": CredentialsConfiguration,
        "ConnectionStringCredentials": ConnectionStringCredentials,
        "OAuth2Credentials": OAuth2Credentials,
    }


def configspec(given: Any = None, **_: Any) -> Any:
    """`@configspec`: the class, whose annotated names are what it can be given, in their order."""
    if given is None:
        return configspec
    if not isinstance(given, type):
        return given
    if not issubclass(given, Part):
        given = type(given.__name__, (given, BaseConfiguration), dict(vars(given)))
    own = [n for n, kind in inspect.get_annotations(given).items() if "ClassVar" not in str(kind)]
    given.fields = (*given.fields, *(n for n in own if n not in given.fields))
    return given


def _default(cls: type, name: str) -> Any:
    """What a class says of a field, for each instance anew."""
    held = getattr(cls, name, None)
    if isinstance(held, dataclasses.Field):
        made = held.default_factory
        held = made() if made is not dataclasses.MISSING else held.default
        return None if held is dataclasses.MISSING else held
    return copy.deepcopy(held) if isinstance(held, (list, dict, set)) else held


def injected(name: str, unnamed: Unnamed, annotation: object, sections: Sections) -> object:
    """The value of a parameter that dlt would fill in: a reference, or an instance with such."""
    kinds = (annotation, *typing.get_args(annotation))
    specs = [k for k in kinds if isinstance(k, type) and issubclass(k, _SPECS)]
    if not specs:
        return references.injected(name, unnamed, annotation, sections)
    stands = Reference(sections.of(name) or name, secret=unnamed.secret)
    said = Known.own(stands.name)
    if isinstance(said, Mapping):
        return specs[0](**said)  # also where it signs requests
    found = stands.known() if said is ABSENT else said
    whole = isinstance(found, str)
    made = [_made(kind, name, unnamed, sections) for kind in specs]
    known = (one for one in made if (_takes_text(one) if whole else _is_known(one)))
    chosen = next(known, made[0])
    if whole and isinstance(chosen, AuthConfigBase):
        vars(chosen)[chosen.native] = stands if said is ABSENT else said
    elif whole:
        chosen.parse_native_representation(found)
    return chosen


_SPECS = (BaseConfiguration, AuthConfigBase)


def _takes_text(made: BaseConfiguration | AuthConfigBase) -> bool:
    return isinstance(made, BaseConfiguration) or bool(made.native)


def _made(
    kind: type[BaseConfiguration | AuthConfigBase],
    name: str,
    unnamed: Unnamed,
    sections: Sections,
) -> BaseConfiguration | AuthConfigBase:
    """An instance whose fields are references below the name of the parameter."""
    hints = hints_of(kind)
    made = kind()
    signs = issubclass(kind, AuthConfigBase)
    for field in kind.fields:
        if signs and sections.of(f"{name}.{field}") is None and field not in needed(kind):
            continue
        annotation = hints.get(field, str)
        held = vars(made).get(field)
        if isinstance(held, Unnamed):  # as `dlt.secrets.value`: somebody else says it
            held = None
        given: Any = injected(f"{name}.{field}", unnamed, annotation, sections)
        if isinstance(given, Reference) and held is not None and given.known() is ABSENT:
            continue  # the class says it
        optional = isinstance(given, Reference) and given.optional
        vars(made)[field] = None if optional and given.known() is ABSENT else given
    return made


def is_spec(kind: object) -> bool:
    """Whether this is a class of values that belong together."""
    return isinstance(kind, type) and issubclass(kind, BaseConfiguration)


def of_value(kind: type[BaseConfiguration], value: Any) -> BaseConfiguration:
    """An instance of a table of values, or of one text."""
    if isinstance(value, Mapping):
        return kind(**value)
    made = kind()
    made.parse_native_representation(value)
    return made


def needed(kind: type[BaseConfiguration | AuthConfigBase]) -> set[str]:
    """The fields that an auth cannot do without."""
    own = [c for c in kind.__mro__ if not getattr(c, "own", True)]
    hints = hints_of(kind)
    named = {n for c in own for n in inspect.get_annotations(c)}
    declared = {n for n in named if type(None) not in typing.get_args(hints.get(n, str))}
    return declared | set(getattr(kind, "needed", ()))


def _is_known(made: BaseConfiguration | AuthConfigBase) -> bool:
    """Whether somebody has said all that it needs."""
    return not any(isinstance(v, Reference) and v.known() is ABSENT for v in vars(made).values())


_SIMPLE = (str, int, float, bool, list, dict, type(None))


def sections_of(function: Callable[..., Any], name: str, module: str | None = None) -> Sections:
    """Where values of a function's parameters may stand, as dlt looks for them."""
    held = getattr(inspect.unwrap(function), "__globals__", {})
    home = str(getattr(function, "__module__", None) or "").rpartition(".")[2]
    if home == "__main__":
        home = PurePath(str(held.get("__file__", "__main__"))).stem
    return within(module or home, name)


def within(module: str, name: str) -> Sections:
    """The sections of a source, below the pipeline that there is by now."""
    pipeline = pipelines[-1].pipeline_name if pipelines else None
    return Sections(module=module, name=name, pipeline=pipeline)


def filled_in(
    name: str, parameter: inspect.Parameter, annotation: object, sections: Sections
) -> object:
    """What a parameter is that nobody gives: its default, or a value in place of it."""
    default = parameter.default
    if isinstance(default, dataclasses.Field):  # dlt makes a dataclass of the parameters
        made = default.default_factory
        return default.default if made is dataclasses.MISSING else made()
    if isinstance(default, Unnamed):
        return injected(name, default, annotation, sections)
    plain = isinstance(default, _SIMPLE) and not isinstance(default, (Reference, Composed))
    if not plain or sections.of(name) is None:
        return default
    if annotation in (parameter.empty, Any) and default is not None:
        annotation = type(default)
    secret = SENSITIVE.search(name) is not None
    return injected(name, Unnamed(secret=secret), annotation, sections)


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """What the parameters of a function, or the fields of a class, are declared as."""
    try:
        return typing.get_type_hints(inspect.unwrap(function))
    except (NameError, TypeError, AttributeError):  # names that only a type checker imports
        return {}


def with_config(
    function: Any = None, /, sections: str | tuple[str, ...] | None = None, **_: Any
) -> Any:
    """`@with_config`: parameters that are values are filled in at each call."""
    if function is None:
        return lambda given: with_config(given, sections=sections)
    from penstock.dialects.dlt.standin.values.settings import called  # noqa: PLC0415 (a cycle)

    said = (sections,) if isinstance(sections, str) else tuple(sections or ())

    @functools.wraps(function)
    def wrapped(*args: Any, **named: Any) -> Any:
        where = sections_of(function, function.__name__)
        return called(function, args, named, msgspec.structs.replace(where, said=said))

    return wrapped
