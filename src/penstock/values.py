"""The values a document leaves to its user: where each is looked for, in which order.

What is given for this run wins over what lies around: `--set`, `--config`, the environment, `.env`,
`secrets.toml`, `.dlt/secrets.toml`, `.dlt/config.toml`, the two of dlt's own folder at home, and
last the document's own default. The environment and the TOML files are searched under the names
that dlt would use.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import TypeAlias

from penstock.errors import Diagnostic, Place, PlanError, did_you_mean
from penstock.patterns import pattern
from penstock.plan.expr import JsonValue, spelled
from penstock.plan.source import Input

Values: TypeAlias = "dict[str, JsonValue]"
_Parse: TypeAlias = Callable[[str], Mapping[str, object]]

_NEAR = ("secrets.toml", ".dlt/secrets.toml", ".dlt/config.toml")
_AT_HOME = ("~/.dlt/secrets.toml", "~/.dlt/config.toml")
_TOML_FILES = (*_NEAR, *_AT_HOME)
_ABSENT = object()


def gather(  # noqa: PLR0913 (one argument for each place values come from)
    inputs: tuple[Input, ...],
    *,
    sets: Mapping[str, JsonValue],
    config: Mapping[str, JsonValue] | None,
    environ: Mapping[str, str],
    folder: Path,
    source_name: str,
) -> Values:
    """The value of every input that has one, and whatever else `sets` and `config` hold.

    Raises:
        PlanError: a required value is missing, or a file of values cannot be read. All missing
            values are named at once.
    """
    places = _Places(environ=environ, files=_Files(folder, environ), source_name=source_name)
    given = _given(inputs, sets, config)
    found: Values = dict(given)
    missing: list[Diagnostic] = []
    for wanted in inputs:
        value = places.find(wanted, given)
        if value is not _ABSENT:
            found[wanted.name] = value  # type: ignore[assignment]  # what is not absent is JSON
        elif wanted.default is not None or not wanted.required:
            found.setdefault(wanted.name, wanted.default)
        else:
            missing.append(_missing(wanted, places, asked_config=config is not None))
    problems = [*missing, *(p for i in inputs if (p := _out_of_bounds(i, found.get(i.name))))]
    if problems:
        raise PlanError([*problems, *_unknown(inputs, sets)])
    return found


def _out_of_bounds(wanted: Input, value: JsonValue) -> Diagnostic | None:
    """What is wrong with a value that must be a number within bounds."""
    low, high = wanted.minimum, wanted.maximum
    if value is None or (low is None and high is None):
        return None
    try:
        number = float(value) if isinstance(value, (int, float, str)) else math.nan
    except ValueError:
        number = math.nan
    if (low is None or number >= low) and (high is None or number <= high):
        return None
    bounds = (("at least", low), ("at most", high))
    said = " and ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)
    return Diagnostic(
        code="value-invalid",
        severity="error",
        message=f"the value of {wanted.name!r} is not a number of {said}",
        hint=wanted.description or None,
    )


def nearest(
    names: Sequence[str],
    *,
    sets: Mapping[str, JsonValue],
    environ: Mapping[str, str],
    folder: Path,
) -> str | None:
    """The first of these names, by the order of places, under which there is a value.

    Raises:
        PlanError: a file of values cannot be read.
    """
    files = _Files(folder, environ)
    variables = {name: _env_word(name) for name in names}
    texts = [{n: v for n in names if (v := held.get(variables[n]))}
             for held in (environ, files.dotenv())]  # fmt: skip
    tables = (sets, *texts, *(files.toml(file) for file in _TOML_FILES))
    found = (name for held in tables for name in names if _inside(held, name) is not _ABSENT)
    return next(found, None)


def remarks(
    inputs: tuple[Input, ...], values: Mapping[str, JsonValue], sets: Mapping[str, JsonValue]
) -> tuple[Diagnostic, ...]:
    """Warnings about values: whitespace around a secret, `--set` names that nothing asks for."""
    padded = [_padded(i.name) for i in inputs if i.secret and _is_padded(values.get(i.name))]
    return (*padded, *_unknown(inputs, sets))


def secrets(inputs: tuple[Input, ...], values: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """Every text and number in the values of secret inputs, and in the secret parts of others."""
    found: list[str] = []
    for wanted in inputs:
        value = values.get(wanted.name)
        paths = ((),) if wanted.secret else wanted.secret_paths
        found += (text for path in paths for text in scalars(_at(value, path)))
    return tuple(found)


def _at(value: JsonValue, path: tuple[str, ...]) -> JsonValue:
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def scalars(value: JsonValue) -> Iterator[str]:
    """The texts and numbers inside a value, as texts; true, false and null are no secrets."""
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from scalars(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from scalars(inner)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def lookup_env_names(name: str, source_name: str, before: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The environment variables that may hold a value, in the order they are looked at."""
    sections = (path for one in (*before, name) for path in _sections(one, source_name))
    paths = [("penstock", name), *sections]
    return tuple(dict.fromkeys("__".join(_env_word(p) for p in path) for path in paths))


def _sections(name: str, source_name: str) -> list[tuple[str, ...]]:
    """The sections dlt would search for a value, in its order."""
    return [
        ("sources", "rest_api", source_name, name),
        ("sources", "rest_api", name),
        ("sources", source_name, name),
        ("sources", name),
        (name,),
    ]


def _env_word(part: str) -> str:
    return re.sub(r"[^A-Z0-9_]", "_", part.upper().replace(".", "__"))


def _given(
    inputs: tuple[Input, ...],
    sets: Mapping[str, JsonValue],
    config: Mapping[str, JsonValue] | None,
) -> Values:
    """What was given for this run; `--set a.b=1` reaches inside `a` unless an input is `a.b`."""
    given: Values = dict(config or {})
    names = {i.name for i in inputs}
    for name, value in sets.items():
        head, dot, rest = name.partition(".")
        if dot and name not in names and head in names:
            given[head] = _put(given.get(head), rest.split("."), value)
        else:
            given[name] = value
    return given


def _put(container: JsonValue, path: list[str], value: JsonValue) -> JsonValue:
    if not path:
        return value
    here = dict(container) if isinstance(container, Mapping) else {}
    here[path[0]] = _put(here.get(path[0]), path[1:], value)
    return here


class _Files:
    """The files of one folder that may hold values, each read when it is first needed.

    Those of dlt's own folder, which is at home unless `DLT_DATA_DIR` says another, are there too.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self._environ = environ
        self._read: dict[str, Mapping[str, object]] = {}

    def there(self, name: str) -> bool:
        return self._path(name).is_file()

    def _path(self, name: str) -> Path:
        if name not in _AT_HOME:
            return self.folder / name
        said = self._environ.get("DLT_DATA_DIR")
        try:
            return Path(said or Path.home() / ".dlt") / Path(name).name
        except RuntimeError:  # nobody has a home here
            return self.folder / name

    def dotenv(self) -> Mapping[str, object]:
        return self._once(".env", parse_dotenv)

    def toml(self, name: str) -> Mapping[str, object]:
        return self._once(name, _parse_toml)

    def _once(self, name: str, parse: _Parse) -> Mapping[str, object]:
        if name not in self._read:
            self._read[name] = self._parsed(name, parse) if self.there(name) else {}
        return self._read[name]

    def _parsed(self, name: str, parse: _Parse) -> Mapping[str, object]:
        path = self._path(name)
        try:
            return parse(path.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError) as exc:  # among them what is no UTF-8, or no TOML
            raise PlanError([_unreadable(path, exc)]) from exc


def _parse_toml(text: str) -> Mapping[str, object]:
    import tomllib  # noqa: PLC0415 (few have such a file)

    return tomllib.loads(text)


def _unreadable(path: Path, exc: Exception) -> Diagnostic:
    line = re.search(r"at line (\d+), column (\d+)", str(exc))
    place = Place(file=str(path), line=int(line[1]), column=int(line[2])) if line else None
    # The line itself stays unsaid: it may be the one with the secret.
    said = str(exc) if line else f"{path}: {exc}"
    return Diagnostic(
        code="values-unreadable",
        severity="error",
        message=f"the file of values cannot be read: {said}",
        place=place,
        hint="mend the file, or move it away",
    )


class _Places:
    """Everything that is looked at for a value, in order."""

    def __init__(self, environ: Mapping[str, str], files: _Files, source_name: str) -> None:
        self._environ = environ
        self._source_name = source_name
        self.files = files

    def find(self, wanted: Input, given: Mapping[str, object]) -> object:
        """The value, or `_ABSENT`."""
        found = next(_under(given, [(name,) for name in _names(wanted)], wanted), _ABSENT)
        if found is not _ABSENT:
            return found
        variables = self.variables(wanted)
        for held in (self._environ, self.files.dotenv()):
            # An empty variable is one that was not filled in.
            texts = (held[v] for v in variables if held.get(v))
            found = next(texts, _ABSENT)
            if found is _ABSENT and "." in wanted.name:
                found = self._inside_text(wanted, held)
            if found is not _ABSENT:
                return found
        return self._in_toml(wanted)

    def _inside_text(self, wanted: Input, held: Mapping[str, object]) -> object:
        """The value inside of a variable that holds the table it stands in, as JSON."""
        steps = wanted.name.split(".")
        for end in range(len(steps) - 1, 0, -1):
            for variable in lookup_env_names(".".join(steps[:end]), self._source_name):
                text = held.get(variable)
                table = spelled(text) if isinstance(text, str) else {}
                inner = table if isinstance(table, dict) else {}
                found = _inside(inner, ".".join(steps[end:]))
                if found is not _ABSENT:
                    return found
        return _ABSENT

    def _in_toml(self, wanted: Input) -> object:
        paths = [p for name in _names(wanted) for p in _sections(name, self._source_name)]
        tables = (self.files.toml(file) for file in _TOML_FILES)
        found = (value for table in tables for value in _under(table, paths, wanted))
        return next((_as_json(value) for value in found), _ABSENT)

    def variables(self, wanted: Input) -> tuple[str, ...]:
        return lookup_env_names(wanted.name, self._source_name, wanted.before)

    def described(self, wanted: Input, *, asked_config: bool) -> str:
        """Every place in words, and which files were not there."""
        config = "--config" if asked_config else "--config (not given)"
        near = (f if self.files.there(f) else f"{f} (not there)" for f in (".env", *_NEAR))
        files = ", ".join((*near, *filter(self.files.there, _AT_HOME)))
        variables = ", ".join(self.variables(wanted))
        return (
            f"--set {wanted.name}=…, {config}, the environment ({variables}), "
            f"and in {self.files.folder}: {files}"
        )


def _names(wanted: Input) -> tuple[str, ...]:
    """The names that a value is looked for under, the first one first."""
    return (*wanted.before, wanted.name)


def _under(
    tables: Mapping[str, object], paths: Sequence[tuple[str, ...]], wanted: Input
) -> Iterator[object]:
    """The values at paths; a table where another name's value may be is none."""
    for path in paths:
        found = _inside(tables, ".".join(path))
        foreign = isinstance(found, Mapping) and path[-1] != wanted.name
        if found is not _ABSENT and not foreign:
            yield found


def _inside(tables: Mapping[str, object], name: str) -> object:
    """The value called `name`, or what a dotted name leads to inside tables."""
    if name in tables:
        return tables[name]
    here: object = tables
    for step in name.split("."):
        if not isinstance(here, Mapping) or step not in here:
            return _ABSENT
        here = here[step]
    return here


def _as_json(value: object) -> JsonValue:
    """A TOML value as JSON has it: dates and times become ISO 8601 texts."""
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(k): _as_json(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_as_json(v) for v in value]
    return value  # type: ignore[return-value]  # TOML has no further types


def _missing(wanted: Input, places: _Places, *, asked_config: bool) -> Diagnostic:
    what = f" ({wanted.description})" if wanted.description else ""
    looked = places.described(wanted, asked_config=asked_config)
    variable = places.variables(wanted)[0]
    # A secret on the command line stays in the shell's history, so the variable comes first.
    ways = [f"set {variable} in the environment", f"pass --set {wanted.name}=…"]
    return Diagnostic(
        code="value-missing",
        severity="error",
        message=f"no value for {wanted.name!r}{what}; looked at {looked}",
        hint=", or ".join(ways if wanted.secret else reversed(ways)),
    )


def _is_padded(value: JsonValue) -> bool:
    return isinstance(value, str) and value != value.strip()


def _padded(name: str) -> Diagnostic:
    return Diagnostic(
        code="value-whitespace",
        severity="warning",
        message=f"the value of {name!r} begins or ends with whitespace, and is used as it is",
        hint="a line break is easily copied along with a key: take it away if it does not belong",
    )


def _unknown(inputs: tuple[Input, ...], sets: Mapping[str, JsonValue]) -> list[Diagnostic]:
    names = [name for i in inputs for name in _names(i)]
    heads = {n.partition(".")[0] for n in names}
    strange = [s for s in sets if s not in names and s.partition(".")[0] not in heads]
    return [_unused(name, [i.name for i in inputs]) for name in strange]


def _unused(name: str, names: list[str]) -> Diagnostic:
    known = f"it asks for: {', '.join(names)}" if names else "it asks for no values"
    return Diagnostic(
        code="value-unknown",
        severity="warning",
        message=f"the document asks for no value called {name!r}",
        hint=did_you_mean(name, names) or known,
    )


_DOTENV_LINE = pattern(
    r"""^[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][\w.-]*)[ \t]*=[ \t]*
        (?: '(?P<single>[^']*)' | "(?P<double>(?:[^"\\]|\\.)*)" | (?P<bare>[^\r\n]*?) )
        [ \t]*(?:(?<=[ \t])\#[^\r\n]*)?\r?$""",
    re.MULTILINE | re.VERBOSE | re.DOTALL,
)
_ESCAPE = pattern(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def parse_dotenv(text: str) -> dict[str, str]:
    """The variables of a `.env` file; the last of a name counts.

    Single quotes keep a value as it is, double quotes know escapes, both may span lines. Without
    quotes a value ends at the end of the line or at ` #`.
    """
    return {m["name"]: _dotenv_value(m) for m in _DOTENV_LINE.finditer(text)}


def _dotenv_value(match: re.Match[str]) -> str:
    if match["double"] is not None:
        return re.sub(
            r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), match["double"], flags=re.DOTALL
        )
    return match["single"] if match["single"] is not None else match["bare"]
