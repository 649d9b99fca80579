"""The classes whose instances a configuration may hold: paginators, auth and incrementals.

An instance keeps the arguments it was made with, and becomes the dict that says the same. A class
of the script's own is followed as far as it only sets arguments.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any, ClassVar

from penstock.dialects.dlt.standin.base.errors import Refusal
from penstock.dialects.dlt.standin.base.lacking import lacking
from penstock.dialects.dlt.standin.base.marks import Marked, Spot, caller
from penstock.dialects.dlt.standin.base.record import refuse

_PYTHON = (types.FunctionType, property, classmethod, staticmethod)
# What configurations and auth have of mappings in dlt.
OF_MAPPINGS = frozenset({
    "as_dict_nondefault", "clear", "copy", "get", "get_resolvable_fields", "is_partial",
    "is_resolved", "items", "keys", "pop", "popitem", "resolve", "setdefault",
    "to_native_representation", "update", "values",
})  # fmt: skip
_HARMLESS = {"__init__", "__str__", "__repr__", "__doc__", "__module__", "__qualname__"}


class Part:
    """Something of dlt that stands for a dict of type `kind`; `fields` are its parameters."""

    kind: ClassVar[str] = ""
    what: ClassVar[str] = "object"
    fields: ClassVar[tuple[str, ...]] = ()
    defaults: ClassVar[dict[str, Any]] = {}
    own: ClassVar[bool] = True  # whether it is one of dlt's, not of the script's
    more: ClassVar[frozenset[str]] = frozenset()  # what dlt's objects have, and these have not

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.own = cls.__module__.startswith(__package__)

    def __new__(cls, *_args: Any, **_named: Any) -> Part:  # noqa: PYI034 (classes of scripts)
        """An instance that has its place, also if a class of the script's own never calls ours."""
        made = super().__new__(cls)
        made.given = Marked()
        made.made_at = caller()
        return made

    given: Marked
    made_at: Spot | None

    def __init__(self, *args: Any, **named: Any) -> None:
        cls = type(self)
        if len(args) > len(cls.fields):
            most = f"{cls.__name__} takes {len(cls.fields)} arguments, not {len(args)}"
            raise TypeError(most)
        self.given = Marked(dict(zip(cls.fields, args, strict=False)) | named)
        for name, value in self.given.items():
            held = getattr(cls, name, self)
            if held is not self and not isinstance(held, property):  # a class's own value is below
                vars(self)[name] = value
        self._prepare()
        if hasattr(self, "__post_init__"):
            self.__post_init__()

    def _prepare(self) -> None:
        """Set what its methods need besides the arguments."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in {"given", "made_at"}:
            raise AttributeError(name)
        if name in self.given or name in type(self).fields:
            return self.given.get(name, type(self).defaults.get(name))
        if type(self).own or name in type(self).more:
            raise refuse(Refusal(f"{type(self).__name__}.{name} is known only in a run of dlt"))
        # What a class of the script's own has not set yet, and asks for by `hasattr`.
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __bool__(self) -> bool:
        return True

    def config(self) -> Marked:
        """The dict that says the same.

        Raises:
            Refusal: the class does what no dict says.
        """
        own = self._own_method()
        if own is not None:
            raise own
        return Marked({"type": type(self).kind} | self._arguments(), self.made_at)

    @property
    def runnable(self) -> bool:
        """Whether it can be called in a run: it has what the protocol of its kind needs."""
        return False

    def _arguments(self) -> dict[str, Any]:
        """The arguments, with those that a class of the script set afterwards."""
        later = {n: v for n, v in vars(self).items() if n in type(self).fields}
        return {**self.given, **later}

    def _own_method(self) -> Refusal | None:
        """Why an instance of a class of the script's own cannot be followed."""
        for cls in type(self).__mro__:
            if getattr(cls, "own", True) or not issubclass(cls, Part):
                continue
            for name, member in vars(cls).items():
                if name not in _HARMLESS and isinstance(member, _PYTHON):
                    return _refused(cls, name, type(self).what)
        if type(self).kind:
            return None
        return Refusal(f"the {type(self).what} {type(self).__name__} has no counterpart in a run",
                       _HINT, spot=self.made_at)  # fmt: skip


_HINT = "use one of dlt's own, or describe the API in the configuration"


def _refused(cls: type, name: str, what: str) -> Refusal:
    method = getattr(cls, name)
    code = getattr(inspect.unwrap(method), "__code__", None)
    line = code.co_firstlineno if code is not None else 0
    spot = Spot(code.co_filename, line, 1) if code is not None else None
    needs = {"paginator": ", and no update_state", "auth": ", and no __call__"}
    unused = needs.get(what, ", which is not run")
    message = f"the {what} {cls.__name__} has its own {name} (line {line}){unused}"
    return Refusal(message, _HINT, spot=spot)


# Incrementals.


@lacking(
    "EMPTY",
    "ensure_instance",
    "from_existing_state",
    "from_init_value",
    "get_resolvable_fields",
    "is_field_resolved",
)
class Incremental(Part):
    """A cursor: `dlt.sources.incremental`."""

    kind = "incremental"
    what = "incremental"
    fields = ("cursor_path", "initial_value", "last_value_func", "primary_key", "end_value",
              "row_order", "allow_external_schedulers", "on_cursor_value_missing", "lag",
              "range_start", "range_end")  # fmt: skip

    learned: date | None = None  # a value that a function has shown, where these are no texts

    def config(self) -> Marked:
        """The dict that says the same; a function is given what those of the script are."""
        made = super().config()
        function = made.get("last_value_func")
        if callable(function) and function not in (max, min):
            dict.__setitem__(made, "last_value_func", _OfMoments(function, self))
        return made

    def __class_getitem__(cls, item: Any) -> type[Incremental]:
        return cls

    def with_given(self, given: Any) -> Incremental:
        """This one as a default, where an argument is another, or only where to begin."""
        if isinstance(given, Incremental):
            theirs = given._arguments()  # noqa: SLF001 (its own kind)
            said = {name: value for name, value in theirs.items() if value is not None}
        else:
            said = {"initial_value": given}
        made = type(self)(**{**self._arguments(), **said})
        made.made_at = given.made_at if isinstance(given, Incremental) else self.made_at
        return made

    def __getattr__(self, name: str) -> Any:
        if name in {"last_value", "start_value"}:
            message = f"incremental.{name} is known only while records are read"
            hint = 'write "{incremental.start_value}" in the configuration where it is sent'
            raise refuse(Refusal(message, hint))
        return super().__getattr__(name)


class Sent:
    """What becomes of a moment or a day that is sent: what a function makes of it, or its text."""

    def __init__(
        self, like: object, function: Callable[..., Any] | None, conversion: str, spec: str
    ) -> None:
        self._like = like
        self._function = function or (lambda value: value)
        self._template = f"{{0{'!' if conversion else ''}{conversion}:{spec}}}"
        self._formats = bool(conversion or spec)
        self.__name__ = str(getattr(function or str, "__name__", type(function).__name__))

    def __call__(self, value: Any) -> Any:
        """What is sent."""
        found = self._function(moment_of(value, self._like))
        return self._template.format(found) if self._formats else found


def of_moments(function: Callable[..., Any], like: object) -> Callable[..., Any]:
    """A function of moments or days as one of their texts."""
    return function if isinstance(function, _OfMoments) else _OfMoments(function, like)


class _OfMoments:
    """A function of moments or days, for values that are texts of these."""

    def __init__(self, function: Callable[..., Any], like: object) -> None:
        self._function = function
        self._like = like
        self.__name__ = str(getattr(function, "__name__", type(function).__name__))

    def __call__(self, values: Sequence[Any]) -> Any:
        like = self._like
        if isinstance(like, Incremental):
            like = like.learned if like.learned is not None else like.initial_value
        found = self._function(tuple(moment_of(value, like) for value in values))
        return found.isoformat() if isinstance(found, date) else found


def like_of(kind: str | None) -> Any:
    """A value like those of a cursor of this kind; moments are pendulum's, where that is there."""
    if kind != "moment":
        return date.min if kind == "day" else None
    try:
        import pendulum  # noqa: PLC0415 (it need not be installed)
    except ImportError:
        return datetime(1970, 1, 1, tzinfo=UTC)
    return pendulum.datetime(1970, 1, 1)


def moment_of(value: Any, like: Any) -> Any:
    """A text of a moment or a day as what is `like` it; anything else as it is."""
    if not isinstance(value, str) or not isinstance(like, date):
        return value
    try:
        if not isinstance(like, datetime):
            return date.fromisoformat(value)
        moment = datetime.fromisoformat(value)
    except ValueError:
        return value
    instance = getattr(type(like), "instance", None)  # of pendulum
    return instance(moment) if instance is not None else moment
