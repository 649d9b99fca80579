"""Diagnostics as people read them: code, place, the marked line of the document, and a hint."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from penstock.cli.console import Console, Style, clean
from penstock.errors import Diagnostic, Place, Severity
from penstock.patterns import pattern
from penstock.plan.expr import JsonValue

_STYLES: dict[Severity, Style] = {"error": "red", "warning": "yellow", "info": "blue"}
_WORD = pattern(r"\"[^\"]*\"|'[^']*'|[\w.$-]+|\S")
_WIDEST = 120  # characters of a source line that are shown around the mark


def show_all(console: Console, diagnostics: Sequence[Diagnostic]) -> None:
    """Show every diagnostic; a warning that comes at several places is shown once, with all."""
    for found, others in _grouped(diagnostics):
        show(console, found, others)


def _grouped(diagnostics: Sequence[Diagnostic]) -> list[tuple[Diagnostic, list[Place]]]:
    """Each diagnostic with the further places of the same warning, in order."""
    groups: dict[object, tuple[Diagnostic, list[Place]]] = {}
    for nth, found in enumerate(diagnostics):
        file = found.place.file if found.place else None
        same = (found.code, found.message, found.hint, file)
        key: object = nth if found.severity == "error" or file is None else same
        first = groups.setdefault(key, (found, []))
        if first[0] is not found and found.place is not None:
            first[1].append(found.place)
    return list(groups.values())


def show(console: Console, diagnostic: Diagnostic, others: Sequence[Place] = ()) -> None:
    """Show one diagnostic, and at which other places the same is to be said."""
    style = _STYLES[diagnostic.severity]
    head = console.style(f"{diagnostic.severity}[{diagnostic.code}]", "bold", style)
    console.say(f"{head}: {clean(diagnostic.message)}")
    if diagnostic.place is not None:
        show_place(console, diagnostic.place, style)
    if others:
        console.say(f"  also at {', '.join(f'{p.line}:{p.column}' for p in others)}")
    if diagnostic.hint:
        console.say(f"  hint: {clean(diagnostic.hint)}")


def count(diagnostics: Sequence[Diagnostic]) -> str:
    """How many errors and warnings there are, in words."""
    parts = [
        f"{n} {severity}{'s' if n != 1 else ''}"
        for severity in ("error", "warning")
        if (n := sum(d.severity == severity for d in diagnostics))
    ]
    return ", ".join(parts) or "nothing to change"


def as_json(diagnostic: Diagnostic) -> dict[str, JsonValue]:
    """The diagnostic as `check --json` gives it."""
    place = diagnostic.place
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "file": place.file if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
        "hint": diagnostic.hint,
    }


def show_place(console: Console, place: Place, style: Style) -> None:
    """Show where something stands: the line, and a mark below the word."""
    gutter = " " * len(str(place.line))
    console.say(f"{gutter}--> {clean(str(place))}")
    if not place.text.strip():
        return
    shown, mark = marked(console.redactor.line(place.text), place.column)
    console.say(f"{gutter} |")
    console.say(f"{place.line} | {shown}")
    console.say(f"{gutter} | {console.style(mark, style)}")


def marked(line: str, column: int) -> tuple[str, str]:
    """A line, cut to what fits, and the marks that go below the word at `column`, from 1."""
    line = line.rstrip("\r\n")
    at = min(max(column - 1, 0), len(line))
    word = _WORD.match(line, at)
    end = word.end() if word else at + 1
    start = max(0, at - _WIDEST // 2) if len(line) > _WIDEST else 0
    cut = line[start : start + _WIDEST]
    before = line[start:at]
    marks = "^" * max(1, min(width(line[at:end]), _WIDEST - width(before)))
    shown = ("…" if start else "") + cut + ("…" if start + _WIDEST < len(line) else "")
    return clean(shown), (" " if start else "") + _blank(before) + marks


def _blank(text: str) -> str:
    """Space as wide as the text; tabs stay, so that they end where the text's do."""
    return "".join("\t" if c == "\t" else " " * width(c) for c in text)


def width(text: str) -> int:
    """How many columns of a terminal the text takes."""
    return sum(_columns(c) for c in clean(text))


def _columns(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) == "Cf":
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1
