"""Write the parts of the documentation that code knows best, or check that they are up to date.

A page marks such a part with `<!-- generated: NAME -->` and `<!-- end -->`; what stands between is
made by the function of that name below. Without arguments this writes; with `--check` it compares.
"""

from __future__ import annotations

import re
import runpy
import sys
import tomllib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, get_args

import click
import msgspec

from penstock.cli.app import cli
from penstock.cli.describe import request_lines
from penstock.cli.describe import table as in_words
from penstock.codes import CODES
from penstock.connectors import names, path
from penstock.destinations import describe
from penstock.emulator import EMULATORS, EVERYDAY, FAULTS, Settings
from penstock.engine import compile_source
from penstock.events import Event
from penstock.plan.source import Source, Stream

DOCS = Path(__file__).parent
SETTING = re.compile(r"^ {4,8}(\w+): (.*?)(?=^ {4,8}\w+: |\Z)", re.MULTILINE | re.DOTALL)
PART = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(c) for c in line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def sentence(doc: str | None) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join((doc or "").split("\n\n")[0].split())


# The command line.


def commands(group: click.Group | None = None, words: str = "penstock") -> str:
    """The help of every command, as it prints it."""
    root = cli if group is None else group
    parts = [_help(root, words)] if group is None else []
    context = click.Context(root, info_name=words)
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        assert command is not None, "a listed command exists"
        parts.append(_help(command, f"{words} {name}"))
        if isinstance(command, click.Group):
            parts.append(commands(command, f"{words} {name}"))
    return "\n\n".join(parts)


def _help(command: click.Command, words: str) -> str:
    with click.Context(
        command,
        info_name=words,
        terminal_width=88,
        max_content_width=88,
        help_option_names=["-h", "--help"],
    ) as context:
        text = command.get_help(context)
    text = "\n".join(line.rstrip() for line in text.splitlines())
    return f"## `{words}`\n\n```text\n{text}\n```"


# Codes.


def codes() -> str:
    """Every code by topic: what it means, from the code, and what to do, from `codes.toml`."""
    topics = advice()
    listed = [code for topic in topics.values() for code in topic if code != "title"]
    _same("docs/codes.toml", listed, "penstock.codes.CODES", CODES)
    parts = []
    for topic in topics.values():
        rows = [(f"`{code}`", CODES[code], text) for code, text in topic.items() if code != "title"]
        parts.append(f"## {topic['title']}\n\n{table(('code', 'meaning', 'what to do'), rows)}")
    return "\n\n".join(parts)


def advice() -> dict[str, dict[str, str]]:
    """What to do about each code, by topic."""
    return tomllib.loads((DOCS / "codes.toml").read_text("utf-8"))


def _same(here: str, mine: Iterable[str], there: str, other: Iterable[str]) -> None:
    lacking, extra = sorted(set(other) - set(mine)), sorted(set(mine) - set(other))
    if lacking or extra:
        raise SystemExit(f"{here} lacks {lacking} of {there}, and has {extra} beyond it")


# The emulator.


def faults() -> str:
    """The kinds of faults."""
    rows = [
        (f"`{f.name}`", f.about, "everyday" if f.name in EVERYDAY else "") for f in FAULTS.values()
    ]
    return table(("kind", "what the client meets", ""), rows)


def settings() -> str:
    """The emulator's settings, from their docstring."""
    said = dict(
        re.findall(
            r"^ {4,8}(\w+): (.*?)(?=^ {4,8}\w+: |\Z)",
            Settings.__doc__ or "",
            re.MULTILINE | re.DOTALL,
        )
    )
    fields = msgspec.structs.fields(Settings)
    _same("the docstring of Settings", said, "its fields", [f.name for f in fields])
    rows = [(f"`{f.name}`", f"`{f.default!r}`", " ".join(said[f.name].split())) for f in fields]
    return table(("setting", "default", "meaning"), rows)


def emulators() -> str:
    """The emulated APIs."""
    rows = [(f"`{name}`", sentence(api.__doc__)) for name, api in sorted(EMULATORS.items())]
    return table(("name", "what it is"), rows)


# Guarantees.


def guarantees() -> str:
    """What each fault leads to, as the fault matrix of the tests has it."""
    text = (DOCS.parent / "tests" / "faults" / "verdicts.toml").read_text("utf-8")
    rows = [
        (f"`{kind}`", *(_endings(said[mode]) for mode in ("once", *MODES)))
        for kind, said in tomllib.loads(text).items()
    ]
    return table(("fault", "once", *MODES), rows)


def model() -> str:
    """What can go wrong at all, and what proves that it is taken well."""
    tests = DOCS.parent / "tests"
    found = tomllib.loads((tests / "faults" / "model.toml").read_text("utf-8"))
    return table(
        ("what goes wrong", "proven by"), [(r["what"], _proofs(r)) for r in found.values()]
    )


def _proofs(row: dict[str, Any]) -> str:
    files = dict.fromkeys(test.partition("::")[0] for test in row.get("tests", ()))
    shown = [
        *(f"`{kind}`" for kind in row.get("faults", ())),
        *(f"[{Path(file).stem}](../tests/{file})" for file in files),
    ]
    if "open" in row:
        shown.append(f"not proven: {row['open']}")
    return ", ".join(shown) or row["none"]


MODES = ("from the middle", "from the start")


def _endings(said: str | dict[str, str]) -> str:
    """The verdict of most ways to read, then those of others."""
    if isinstance(said, str):
        return _ending(said)
    ways: dict[str, list[str]] = {}
    for way, verdict in said.items():
        ways.setdefault(verdict, []).append(way)
    usual = said["else"]
    odd = [f"{', '.join(w)}: {_ending(v)}" for v, w in ways.items() if v != usual]
    return "; ".join([_ending(usual), *odd])


def _ending(said: str) -> str:
    """A verdict in a word or two: an end, an error's code, or a warning's."""
    if said in {"complete", "given twice", "as given", "unnoticed"}:
        return said
    if said.startswith("told: "):
        return f"warns `{said.removeprefix('told: ')}`"
    return f"fails `{said}`"


# Connectors.


def connectors() -> str:
    """Every bundled connector: what it asks for, its streams and their tables."""
    return "\n\n".join(_connector(compile_source(name).need(), name) for name in names())


def _connector(source: Source, name: str) -> str:
    said = [line.lstrip("# ") for line in _comment(path(name).read_text("utf-8"))]
    inputs = [
        (
            f"`{i.name}`",
            "secret" if i.secret else "",
            "required" if i.required and i.default is None else f"default `{i.default}`",
            i.description,
        )
        for i in source.inputs
    ]
    streams = [_stream(s) for s in source.streams]
    return "\n\n".join(
        (
            f"## `{source.name}`",
            " ".join(said),
            table(("value", "", "", "meaning"), inputs),
            table(("stream", "asks", "table", "columns declared"), streams),
        )
    )


def _comment(text: str) -> list[str]:
    found = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        found.append(line)
    return found


def _stream(stream: Stream) -> tuple[str, str, str, str]:
    return (
        f"`{stream.name}`",
        f"`{next(request_lines(stream))}`",
        in_words(stream),
        str(len(stream.hints.columns)),
    )


# Destinations and events.


def destinations() -> str:
    """Every destination."""
    rows = [(f"`{k.name}`", k.summary, ", ".join(f"`{url}`" for url in k.urls)) for k in describe()]
    return table(("destination", "what it is", "written as"), rows)


def conformance() -> str:
    """What every destination does, and what one never does, by the marks of the test suite."""
    marks = runpy.run_path(str(DOCS.parent / "tests" / "destinations" / "conformance.py"))
    kinds = [kind.name for kind in describe()]
    rows = [
        (feature, *(_verdict(marks["NEVER"].get((kind, feature))) for kind in kinds))
        for feature in marks["FEATURES"]
    ]
    return table(("", *kinds), rows)


def _verdict(reason: str | None) -> str:
    return "yes" if reason is None else f"never: {reason}"


def events() -> str:
    """Every event."""
    rows = [
        (
            f"`{kind.__name__}`",
            sentence(kind.__doc__),
            ", ".join(f"`{f.name}`" for f in msgspec.structs.fields(kind)),
        )
        for kind in get_args(Event)
    ]
    return table(("event", "what happened", "fields"), rows)


PARTS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "codes": codes,
    "faults": faults,
    "settings": settings,
    "emulators": emulators,
    "guarantees": guarantees,
    "model": model,
    "connectors": connectors,
    "destinations": destinations,
    "conformance": conformance,
    "events": events,
}


def written(text: str) -> str:
    """A page with its generated parts made anew."""
    return PART.sub(lambda m: f"{m[1]}{PARTS[m[2]]()}\n{m[3]}", text)


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or with `--check` say which of them are stale."""
    stale = []
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text("utf-8")
        new = written(text)
        if new != text:
            stale.append(page.name)
            if "--check" not in arguments:
                page.write_text(new, "utf-8")
    if "--check" in arguments and stale:
        print(f"stale: {', '.join(stale)}; run docs/generate.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
