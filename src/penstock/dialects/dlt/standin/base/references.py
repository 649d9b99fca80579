"""Values that the user brings, as a script holds them: texts that stand for a value.

A reference keeps its name through f-strings, joins and formats, where it is a mark in the text.
Where a script computes with it, it is the value itself, if that is known already.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import UnionType
from typing import Any, Self
from urllib.parse import clear_cache  # type: ignore[attr-defined]  # not in its types

import msgspec

from penstock.dialects.document import Joined, SecretRef
from penstock.patterns import pattern
from penstock.plan.expr import spelled
from penstock.plan.variants import same

Lookup = Callable[[str], object]
Nearest = Callable[[tuple[str, ...]], str | None]

ABSENT = object()
_MARK = pattern("\ue000([sc])(\\??)(!?)([^\ue000\ue001]*)\ue001")
_LEAST = 8  # characters of a variable's value that is recognised inside a longer text


class EnvText(str):
    """The value of an environment variable, which knows the variable's name."""

    __slots__ = ("variable",)

    variable: str

    def __new__(cls, text: str, variable: str = "") -> Self:
        """A text that came from a variable."""
        made = super().__new__(cls, text)
        made.variable = variable
        if variable and len(text) >= _LEAST:
            Known.variables[str(text)] = variable
        return made


class Resolved(str):
    """What a reference stood for, or a text with some in it; `mark` is that text, for the plan."""

    __slots__ = ("mark",)

    mark: str

    def __new__(cls, text: str, mark: str = "") -> Self:
        """The text itself, which came from a text with marks."""
        made = super().__new__(cls, text)
        made.mark = mark
        return made


class Known:
    """What references of the script being executed stand for."""

    lookup: Lookup = staticmethod(lambda _name: ABSENT)
    nearest: Nearest = staticmethod(lambda _names: None)
    defaults: dict[str, Any] = {}  # noqa: RUF012 (one script is executed at a time)
    variables: dict[str, str] = {}  # noqa: RUF012 (the same)
    said: dict[str, Any] = {}  # noqa: RUF012 (what the script says itself, over what lies around)
    provided: dict[str, Any] = {}  # noqa: RUF012 (what its own providers say, below that)

    @classmethod
    def begin(cls, lookup: Lookup, nearest: Nearest) -> None:
        """Forget what another script used, and look values up here."""
        cls.lookup = staticmethod(lookup)
        cls.nearest = staticmethod(nearest)
        cls.defaults = {}
        cls.variables = {}
        cls.said = {}
        cls.provided = {}
        clear_cache()  # `urllib` may remember what a reference stood for

    @classmethod
    def own(cls, name: str) -> Any:
        """The value that the script itself has for a name, or ABSENT."""
        if name in cls.said:
            return cls.said[name]
        there = name in cls.provided and cls.lookup(name) is ABSENT
        return cls.provided[name] if there else ABSENT


class Reference(str):
    """A secret or config value by its name; one that is `optional` is false if nobody says it.

    With `read` a text that spells a truth, a number, a list or an object is that.
    """

    __slots__ = ("_lookup", "name", "optional", "read", "secret", "section")

    name: str
    secret: bool
    optional: bool
    read: bool
    section: str | None
    _lookup: Lookup

    def __new__(  # noqa: PLR0913 (what can be said of a value)
        cls,
        name: str,
        *,
        secret: bool = True,
        default: Any = None,
        optional: bool = False,
        read: bool = False,
        section: str | None = None,
    ) -> Self:
        """A text that stands for the value called `name`."""
        flags = f"{'s' if secret else 'c'}{'?' * optional}{'!' * read}"
        made = super().__new__(cls, f"\ue000{flags}{name}\ue001")
        made.name = name
        made.read = read
        made.secret = secret
        made.optional = optional
        made.section = section
        made._lookup = Known.lookup
        if default is not None:
            Known.defaults[name] = default
        return made

    def known(self) -> Any:
        """The value, or ABSENT while nobody has said it; one of its own section comes first."""
        found = ABSENT
        if self.section is not None:
            found = self._lookup(f"{self.section}/{self.name}")
        found = self._lookup(self.name) if found is ABSENT else found
        found = Known.defaults.get(self.name, ABSENT) if found is ABSENT else found
        return spelled(found) if self.read and isinstance(found, str) else found

    def resolved(self) -> Any:
        """The value.

        Raises:
            NeedsValue: nobody has said it.
        """
        found = self.known()
        if found is ABSENT:
            from penstock.dialects.dlt.standin.base.record import executing  # noqa: PLC0415 (a cycle)

            if self.optional and not executing():
                return None  # as in dlt
            from penstock.dialects.dlt.standin.base.errors import NeedsValue  # noqa: PLC0415 (a cycle)

            message = f"the script computes with the value of {self.name!r}, which is not known"
            raise NeedsValue(message, f"pass --set {self.name}=…")
        return found

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return Reference(f"{self.name}.{key}", secret=self.secret, read=self.read)
        return self.resolved()[key]

    def get(self, key: str, default: Any = None) -> Reference:
        """A value inside of one that is a table."""
        name, optional = f"{self.name}.{key}", default is None
        return Reference(name, secret=self.secret, default=default, optional=optional)

    def __bool__(self) -> bool:
        found = self.known()
        return not self.optional if found is ABSENT else bool(found)

    def __eq__(self, other: object) -> bool:
        if self is other or (isinstance(other, Reference) and other.name == self.name):
            return True
        if other is None:
            return is_nothing(self)
        return bool(self.resolved() == other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(str.__str__(self))

    def __str__(self) -> str:
        from penstock.dialects.dlt.standin.base.record import executing  # noqa: PLC0415 (a cycle)

        inside = self.optional and not executing()  # a run does not look for what may be missing
        return str(self.resolved()) if inside else str.__str__(self)

    def __format__(self, spec: str) -> str:
        return format(self.resolved(), spec) if spec else str.__str__(self)

    def __add__(self, other: Any) -> Any:
        return _together(self, other) if isinstance(other, str) else self.resolved() + other

    def __radd__(self, other: Any) -> Any:
        return _together(other, self) if isinstance(other, str) else other + self._number()

    def __int__(self) -> int:
        return int(self.resolved())

    def __float__(self) -> float:
        return float(self.resolved())

    def __index__(self) -> int:
        return int(self.resolved())

    def _number(self) -> Any:
        found = self.resolved()
        return float(found) if isinstance(found, str) and not found.isdecimal() else int(found)

    def lstrip(self, chars: str | None = None, /) -> str:
        """The text as it is, but for what takes it apart as a URL."""
        return _stripped(self, chars)

    def __copy__(self) -> Reference:
        return self

    def __deepcopy__(self, memo: object) -> Reference:
        return self


class Composed(str):
    """A text with references in it; where a script computes with it, it is what they stand for."""

    __slots__ = ()

    def resolved(self) -> str:
        """The text that it stands for.

        Raises:
            NeedsValue: nobody has said one of the values.
        """
        found = read_text(self)
        parts = found.parts if isinstance(found, Joined) else (found,)
        return "".join(p if isinstance(p, str) else str(referring(p).resolved()) for p in parts)

    def known(self) -> str | None:
        """The same, or None while somebody has to say one of the values."""
        found = read_text(self)
        parts = found.parts if isinstance(found, Joined) else (found,)
        asked = [referring(p) for p in parts if isinstance(p, SecretRef)]
        return None if any(one.known() is ABSENT for one in asked) else self.resolved()

    def lstrip(self, chars: str | None = None, /) -> str:
        """The text as it is, but for what takes it apart as a URL."""
        return _stripped(self, chars)

    def __bool__(self) -> bool:
        return True

    def __add__(self, other: Any) -> Any:
        return _together(self, other)

    def __radd__(self, other: Any) -> Any:
        return _together(other, self)


def composed(text: Any) -> Any:
    """What an expression of a script gave; a text with references in it knows that."""
    return Composed(text) if type(text) is str and "\ue000" in text else text


def plain(value: Any) -> Any:
    """What a reference, or a text with some in it, stands for; anything else as it is."""
    return value.resolved() if isinstance(value, (Reference, Composed)) else value


def referring(said: SecretRef) -> Reference:
    """The reference that a document has, as a script holds it."""
    return Reference(said.name, secret=said.secret, read=said.read, optional=said.optional)


def is_nothing(value: object) -> bool:
    """Whether a value is None in dlt: so is a reference that need not be said, and is not."""
    if isinstance(value, Reference):
        return value.optional and value.known() is ABSENT
    return value is None


def _together(one: str, other: str) -> str:
    made: str = composed(str.__add__(str.__str__(one), str.__str__(other)))
    return made


class Missing(Reference):
    """An environment variable that is not set."""

    __slots__ = ()


class Unnamed:
    """`dlt.secrets.value` or `dlt.config.value`, named by the parameter or key it stands at."""

    def __init__(self, *, secret: bool) -> None:
        self.secret = secret


class Whole(int):
    """A whole number from the configuration, which knows the value's name."""

    name: str
    secret: bool


class Fraction(float):
    """A number from the configuration, which knows the value's name."""

    name: str
    secret: bool


def _computing(method: str) -> Callable[..., Any]:
    def computed(self: Reference | Composed, *args: Any, **named: Any) -> Any:
        return getattr(self.resolved(), method)(*args, **named)

    return computed


# A text's own methods would see the mark; these see the value. Stripping leaves it as it is.
_METHODS = (
    *("__contains__", "__lt__", "__le__", "__gt__", "__ge__"),
    *("capitalize", "casefold", "count", "encode", "endswith", "find", "index", "isalnum"),
    *("isalpha", "isdecimal", "isdigit", "isidentifier", "islower", "isnumeric", "isspace"),
    *("isupper", "lower", "partition", "removeprefix", "removesuffix", "replace", "rfind"),
    *("rindex", "rpartition", "rsplit", "split", "splitlines", "startswith", "swapcase"),
    *("title", "translate", "upper", "zfill", "ljust", "rjust", "center"),
)
for _name in (*_METHODS, "__len__", "__iter__", "items", "keys"):
    setattr(Reference, _name, _computing(_name))
for _name in (*_METHODS, "__getitem__"):
    setattr(Composed, _name, _computing(_name))


def _stripped(text: Reference | Composed, chars: str | None) -> str:
    """The text as it is; `urllib` strips control characters where it takes a URL apart."""
    taken_apart = chars is not None and "\x00" in chars
    return str.lstrip(str(text.resolved()) if taken_apart else str.__str__(text), chars)


def _arithmetic(method: str) -> Callable[..., Any]:
    def computed(self: Reference, other: Any) -> Any:
        return getattr(self._number(), method)(other)

    return computed


for _name in ("__sub__", "__rsub__", "__mul__", "__rmul__", "__truediv__", "__rtruediv__",
              "__floordiv__", "__neg__"):  # fmt: skip
    setattr(Reference, _name, _arithmetic(_name))


def injected(name: str, unnamed: Unnamed, annotation: object, sections: Sections) -> object:
    """The value of a parameter that dlt would fill in; a number is one, as soon as it is known."""
    optional, annotation = _may_be_none(annotation), _without_none(annotation)
    section, name = sections.name, sections.of(name) or name
    own = Known.own(name)
    if own is not ABSENT:
        return declared(own, annotation, name)
    reference = Reference(name, secret=unnamed.secret, optional=optional, section=section)
    return as_declared(reference, annotation)


_NUMBERS: dict[object, Any] = {int: Whole, "int": Whole, float: Fraction, "float": Fraction}


def as_declared(reference: Reference, annotation: object) -> object:
    """The value of a reference where it is known and declared as no text; else the reference."""
    kind = _NUMBERS.get(annotation if isinstance(annotation, (type, str)) else None)
    many = typing.get_origin(annotation) or annotation
    if kind is None and annotation not in (bool, "bool") and many not in {list, dict}:
        return reference
    found = reference.known()
    if found is ABSENT:
        return reference
    if kind is None:
        made = declared(found, annotation, reference.name)
        return reference if many in {list, dict} and not isinstance(found, str) else made
    with _named(reference.name, annotation):
        number = kind(found)
    number.name, number.secret = reference.name, reference.secret
    return number


def declared(found: Any, annotation: object, name: str) -> Any:
    """The value called `name` as what it is declared as, where that is no text.

    Raises:
        WrongValue: it does not read as such.
    """
    many = typing.get_origin(annotation) or annotation
    if found is None or many not in {bool, "bool", int, "int", float, "float", list, dict}:
        return found
    if annotation in (bool, "bool"):
        return found if isinstance(found, bool) else str(found).lower() in {"1", "true", "yes"}
    with _named(name, annotation):
        if many in {list, dict}:
            return msgspec.json.decode(found, type=many) if isinstance(found, str) else found
        return int(found) if many in {int, "int"} else float(found)


@contextmanager
def _named(name: str, annotation: object) -> Iterator[None]:
    """Around reading a value: what is wrong with it is told with its name, and not with itself."""
    try:
        yield
    except (ValueError, TypeError) as exc:
        from penstock.dialects.dlt.standin.base.errors import WrongValue  # noqa: PLC0415 (a cycle)

        many = typing.get_origin(annotation) or annotation
        kind = _KINDS[str(getattr(many, "__name__", many))]
        raise WrongValue(f"the value of {name!r} is declared as {kind}, and reads as none") from exc


_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "list": 'a list in JSON, as ["a", "b"]',
    "dict": 'an object in JSON, as {"a": "b"}',
}


class Sections(msgspec.Struct, frozen=True, kw_only=True):
    """Where the values of a function's parameters may stand: below its module, and its name.

    `pipeline` is the pipeline that the script had made by then, if any; `kind` is what holds all of
    a kind: sources may stand there by their names alone. `said` are sections that a function names
    itself, in place of all these.
    """

    module: str
    name: str
    pipeline: str | None = None
    kind: str = "sources"
    said: tuple[str, ...] | None = None

    def of(self, name: str) -> str | None:
        """The name under which a value stands in one of these, or plainly; None if nowhere."""
        above = (*self._above(), "")
        inside = tuple(f"{self.pipeline}.{one}{name}" for one in above) if self.pipeline else ()
        outside = tuple(f"{one}{name}" for one in above)
        said = next((one for one in (*inside, *outside) if one in Known.said), None)
        found = said or (Known.nearest(inside) if inside else None) or Known.nearest(outside)
        return found or next((one for one in (*inside, *outside) if one in Known.provided), None)

    def _above(self) -> tuple[str, ...]:
        if self.said is not None:
            whole = [self.said[:end] for end in range(len(self.said), 0, -1)]
            return tuple("".join(f"{one}." for one in part) for part in whole)
        kind, module, own = self.kind, self.module, self.name
        alone = (f"sources.{own}.",) if kind == "sources" else ()
        return (f"{kind}.{module}.{own}.", f"{kind}.{module}.", *alone, f"{kind}.")


def _without_none(annotation: object) -> object:
    """What a parameter is declared as where it has a value, if that is one thing."""
    if typing.get_origin(annotation) not in {typing.Union, UnionType}:
        return annotation
    kinds = [one for one in typing.get_args(annotation) if one is not type(None)]
    return kinds[0] if len(kinds) == 1 else annotation


def _may_be_none(annotation: object) -> bool:
    """Whether a parameter is declared as one that may have no value."""
    if isinstance(annotation, str):
        return "Optional[" in annotation or "None" in annotation
    return type(None) in typing.get_args(annotation)


def read_text(text: str) -> str | SecretRef | Joined:
    """A text of a configuration, with the references in it."""
    if isinstance(text, Resolved) and text.mark:
        return read_text(text.mark)
    if isinstance(text, EnvText) and text.variable:
        return SecretRef(name=text.variable)
    parts = _parts(str.__str__(text))
    if not any(isinstance(part, SecretRef) for part in parts):
        return str.__str__(text)
    if len(parts) == 1:
        return parts[0]
    return Joined(parts=tuple(parts))


def shown(text: str) -> str:
    """A text for somebody to read: values in place of marks, stars for secrets."""
    return _MARK.sub(_shown, str.__str__(text))


def _shown(mark: re.Match[str]) -> str:
    kind, name = mark[1], mark[4]
    known = Reference(name, secret=kind == "s").known()
    if known is ABSENT:
        return f'dlt.{"secrets" if kind == "s" else "config"}["{name}"]'
    return "***" if kind == "s" else str(known)


def _parts(text: str) -> list[str | SecretRef]:
    found: list[str | SecretRef] = []
    at = 0
    for mark in _MARK.finditer(text):
        found += _with_variables(text[at : mark.start()])
        secret, optional, read = mark[1] == "s", bool(mark[2]), bool(mark[3])
        default = Known.defaults.get(mark[4])
        found.append(
            SecretRef(name=mark[4], secret=secret, default=default, optional=optional, read=read)
        )
        at = mark.end()
    return [*found, *_with_variables(text[at:])]


def _with_variables(text: str) -> list[str | SecretRef]:
    """A text in which the value of a variable stands: the secret stays out of the plan."""
    for value, variable in Known.variables.items():
        before, found, after = text.partition(value)
        if found:
            return [
                *_with_variables(before),
                SecretRef(name=variable),
                *_with_variables(after),
            ]
    return [text] if text else []


def says_same(one: Any, other: Any) -> bool:
    """Whether two hints say the same; a value that nobody knows yet goes by its name."""
    if isinstance(one, str) and isinstance(other, str):
        return str.__str__(one) == str.__str__(other)
    return same(one, other)
