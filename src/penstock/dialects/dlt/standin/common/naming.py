"""The names that dlt makes of keys and datasets: snake case."""

from __future__ import annotations

import re

_LETTERS = str.maketrans("+-*@|", "x_xal")


def _words(text: str) -> str:
    """A text in small letters, its words divided by underscores."""
    plain = re.sub(r"[^A-Za-z0-9_]+", "_", text.strip().translate(_LETTERS))
    words = re.sub(r"([^_])([A-Z][a-z]+)", r"\1_\2", plain)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", words).lower()


def identifier(key: str) -> str:
    """The name that a key has as a column; one that begins with a digit gets an underscore."""
    name = _words(key)
    name = f"_{name}" if name[:1].isdigit() else name
    stem = name.rstrip("_")
    return re.sub(r"_{2,}", "_", stem + "x" * (len(name) - len(stem)))


def schema_name(dataset: str) -> str:
    """The name that a dataset has in a database: dlt writes it in snake_case."""
    return re.sub(r"_$", "x", re.sub(r"_{2,}", "_", _words(dataset)))


class NamingConvention:
    """How keys become names of columns and tables."""

    is_case_sensitive = False
    PATH_SEPARATOR = "__"

    def __init__(self, max_length: int | None = None) -> None:
        self.max_length = max_length

    def normalize_identifier(self, identifier: str) -> str:
        """The name of one key."""
        return _identifier(identifier)

    def normalize_path(self, path: str) -> str:
        """The name of a path of keys."""
        return self.make_path(*map(_identifier, self.break_path(path)))

    normalize_tables_path = normalize_table_identifier = normalize_path

    def make_path(self, *identifiers: str) -> str:
        """Names on one path."""
        return self.PATH_SEPARATOR.join(one for one in identifiers if one)

    def break_path(self, path: str) -> list[str]:
        """The names of a path."""
        return [one for one in path.split(self.PATH_SEPARATOR) if one]


_identifier = identifier
