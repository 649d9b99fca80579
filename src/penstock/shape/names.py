"""How keys become names of columns and tables: dlt's snake case, and collisions."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache

from penstock.patterns import pattern

MAX_NAME = 63  # bytes; the least limit among the destinations (Postgres)
SEPARATOR = "__"
EMPTY = "_empty"

_REDUCED = str.maketrans("+-*@|", "x_xal")
_FOREIGN = pattern(r"[^A-Za-z\d_]+")
_WORD = pattern(r"([^_])([A-Z][a-z]+)")
_HUMP = pattern(r"([a-z0-9])([A-Z])")
_UNDERSCORES = pattern(r"__+")
_TAG_BYTES = 4  # as many as dlt takes, so that shortened names agree


@lru_cache(maxsize=4096)
def identifier(key: str, longest: int = MAX_NAME) -> str:
    """The name of one key; parts of it divided by two underscores keep that division."""
    parts = [_snake(part.strip(), longest) for part in key.split(SEPARATOR) if part.strip()]
    return shorten(SEPARATOR.join(parts), key, longest) if parts else EMPTY


def join(*names: str, longest: int = MAX_NAME) -> str:
    """The name of a nested column or a child table, made of the names on the way to it."""
    path = SEPARATOR.join(names)
    return shorten(path, path, longest)


def shorten(name: str, original: str, longest: int = MAX_NAME) -> str:
    """`name`, with a tag made from `original` in its middle if it is longer than names may be."""
    text = name.encode()
    if len(text) <= longest:
        return name
    tag = _tag(original)
    left = (longest - len(tag) + 1) // 2
    right = longest - len(tag) - left
    # digits of other scripts are more than a byte each: half of one is left out
    return _whole(text[:left]) + tag + _whole(text[-right:])


def distinct(name: str, source: str, longest: int = MAX_NAME) -> str:
    """Another name for `source`, whose own `name` is taken by a different source."""
    tag = hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return f"{_whole(name.encode()[: longest - len(tag) - 1])}_{tag}"


def _whole(text: bytes) -> str:
    return text.decode("utf-8", "ignore")


class Names:
    """The names taken in one scope: a table's columns, or a stream's tables."""

    def __init__(self, longest: int = MAX_NAME) -> None:
        self.longest = longest
        self._taken: set[str] = set()

    def keep(self, name: str) -> None:
        """Mark `name` as taken."""
        self._taken.add(name)

    def free(self, name: str) -> None:
        """Mark `name` as free again."""
        self._taken.discard(name)

    def take(self, name: str, source: str) -> str:
        """Take `name` for `source`, or where it is taken a name of its own for that source."""
        while name in self._taken:
            name = distinct(name, source, self.longest)
            source += "'"
        self._taken.add(name)
        return name


def _snake(key: str, longest: int) -> str:
    name = _FOREIGN.sub("_", key.translate(_REDUCED))
    name = _HUMP.sub(r"\1_\2", _WORD.sub(r"\1_\2", name)).lower()
    if name[0].isdigit():
        name = "_" + name
    stem = name.rstrip("_")
    return shorten(_UNDERSCORES.sub("_", stem + "x" * (len(name) - len(stem))), key, longest)


def _tag(text: str) -> str:
    digest = hashlib.shake_128(text.encode("utf-8", "surrogatepass")).digest(_TAG_BYTES)
    coded = base64.b64encode(digest, b"ba").rstrip(b"=")
    return coded.decode("ascii").lower()


def singular(noun: str) -> str:
    """The singular of an English plural, as far as its spelling tells: agencies → agency."""
    for ending, plain in _SINGULARS:
        if noun.endswith(ending) and (plain or len(noun) > 1):
            return noun[: -len(ending)] + plain
    return noun


_SINGULARS = (
    ("ies", "y"),
    ("sses", "ss"),
    ("statuses", "status"),
    ("buses", "bus"),
    ("campuses", "campus"),
    ("xes", "x"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("us", "us"),
    ("ss", "ss"),
    ("is", "is"),
    ("people", "person"),
    ("children", "child"),
    ("s", ""),
)
