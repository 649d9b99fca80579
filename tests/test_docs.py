"""Undocumented means failing: what users say and see is in the docs, whose examples run."""

from __future__ import annotations

import ast
import doctest
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, get_args

import click
import msgspec
import pytest
from tests.sources import ROOT, Module, modules

from penstock.cli.app import cli
from penstock.codes import CODES
from penstock.connectors import names
from penstock.destinations import describe
from penstock.emulator import FAULTS, Settings
from penstock.events import Event, Receipt, Status

DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", *sorted(DOCS.glob("*.md")))


def _page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


# What must be said.


def test_generated_parts_are_up_to_date():
    """Whoever changes an option, a code or a connector writes the docs anew with the generator."""
    command = [sys.executable, str(DOCS / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)

    assert done.returncode == 0, done.stderr


def _commands(group: click.Group, words: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group, info_name=words)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{words} {name}", command
        if isinstance(command, click.Group):
            yield from _commands(command, f"{words} {name}")


def test_every_command_and_option_is_documented():
    """The page of the command line has each command, and each of its options with some help."""
    page = _page("cli.md")
    for words, command in _commands(cli, "penstock"):
        assert f"## `{words}`\n" in page
        section = page.split(f"## `{words}`\n")[1].split("\n## ")[0]
        assert command.help, f"{words} has no help"
        for param in command.params:
            if isinstance(param, click.Option):
                assert param.help, f"{words} {param.opts[0]} has no help"
                assert all(opt in section for opt in param.opts)


class Said(NamedTuple):
    """A code in the package's source."""

    code: str
    place: str


# Calls that take a code, with the position of it.
TAKE_CODE = {
    **dict.fromkeys(("error", "warn", "info", "note", "fail", "_fail"), 0),
    **dict.fromkeys(("say", "_warn", "report"), 1),
}
# Codes are written so; other texts in such a position are messages.
CODE = re.compile(r"[a-z]+(-[a-z0-9]+)*")


def _codes(module: Module) -> Iterator[Said]:
    """Every code that a file says, in whichever way it is said."""
    manifests = module.name.startswith("penstock.dialects.airbyte")
    for node in ast.walk(module.tree):
        values: list[ast.expr] = []
        prefix = ""
        match node:
            case ast.keyword(arg="code", value=value):
                values = [value]
            case ast.Assign(targets=[ast.Name(id="code")], value=value):
                values = [value]
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name), args=args):
                at = TAKE_CODE.get(name)
                values = args[at : at + 1] if at is not None else []
                prefix = "airbyte-" if manifests and name != "say" else ""
            case ast.FunctionDef(name="_code", body=body):
                values = [
                    r.value
                    for b in body
                    for r in ast.walk(b)
                    if isinstance(r, ast.Return) and r.value
                ]
            case ast.FunctionDef(name="_findings", body=body):
                pairs = [t for b in body for t in ast.walk(b) if isinstance(t, ast.Tuple)]
                values = [t.elts[0] for t in pairs]
        for value in values:
            place = f"{module.place}:{value.lineno}"
            yield from (Said(f"{prefix}{code}", place) for code in _texts(value))


def _texts(value: ast.expr) -> list[str]:
    """The texts an expression may be; parts of a formatted text are none."""
    match value:
        case ast.Constant(value=str(text)):
            return [text] if CODE.fullmatch(text) else []
        case ast.IfExp(body=body, orelse=orelse):
            return [*_texts(body), *_texts(orelse)]
        case _:
            return []


def _all_codes() -> list[Said]:
    found = []
    for module in modules():
        if module.room == "emulator" and module.name != "penstock.emulator.faults":
            continue  # what an emulated API says is not Penstock's
        found += _codes(module)
    return found


def test_every_code_that_is_said_is_known():
    """A code that some file says has a meaning in `penstock.codes`, and so a row in the docs."""
    unknown = [said for said in _all_codes() if said.code not in CODES]

    assert unknown == []


# Codes that are put together from parts, and where.
PUT_TOGETHER = {
    "contract-tables": "penstock.shape.contract",
    "contract-columns": "penstock.shape.contract",
    "contract-data-type": "penstock.shape.contract",
}


def test_every_known_code_is_said_somewhere():
    """A code that nothing says any more leaves the docs."""
    said = {found.code for found in _all_codes()} | set(PUT_TOGETHER)
    texts = {c.value for m in modules() if m.room != "codes" for c in ast.walk(m.tree)
             if isinstance(c, ast.Constant) and isinstance(c.value, str)}  # fmt: skip

    assert [code for code in CODES if code not in said | texts] == []


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_code_is_told_in_sentences(code: str):
    """What a code means, and what to do, are sentences with a capital and a full stop."""
    row = next(line for line in _page("errors.md").splitlines() if line.startswith(f"| `{code}` |"))
    meaning, advice = (cell.strip() for cell in re.split(r"(?<!\\)\|", row)[2:4])

    assert meaning == CODES[code]
    assert meaning.endswith(".")
    assert advice.endswith(".")


def _listed(page: str, name: str) -> bool:
    return re.search(rf"^\| `{re.escape(name)}` \|", page, re.MULTILINE) is not None


@pytest.mark.parametrize("field", [f.name for f in msgspec.structs.fields(Receipt)])
def test_every_field_of_a_receipt_is_documented(field: str):
    """Whoever reads a receipt can look each field up."""
    assert _listed(_page("receipts.md"), field)


@pytest.mark.parametrize("status", get_args(Status))
def test_every_status_is_documented(status: str):
    """Whoever reads a status can look it up."""
    assert f"`{status}`" in _page("receipts.md")


@pytest.mark.parametrize("event", [kind.__name__ for kind in get_args(Event)])
def test_every_event_is_documented(event: str):
    """Whoever follows a run from Python can look each event up."""
    assert _listed(_page("receipts.md"), event)


def _reasons() -> set[str]:
    """Why a slice may end, as the source has it."""
    found = set()
    for module in modules():
        if module.room in {"plan", "read"}:
            found |= set(re.findall(r'reason="([a-z-]+)"', module.text))
            found |= set(re.findall(r'reason(?:, \S+)? = "([a-z-]+)"', module.text))
    return found


def test_every_reason_to_stop_is_documented():
    """A receipt says why reading stopped in words that can be looked up."""
    page = _page("receipts.md")

    assert {"total", "single-page", "out-of-range"} <= _reasons()
    assert [reason for reason in sorted(_reasons()) if f"`{reason}`" not in page] == []


def test_every_fault_and_setting_of_the_emulator_is_documented():
    """Every way in which an emulated API can be made to go wrong can be looked up."""
    page = _page("emulator.md")

    assert [name for name in FAULTS if not _listed(page, name)] == []
    fields = [f.name for f in msgspec.structs.fields(Settings)]
    assert [name for name in fields if not _listed(page, name)] == []


def test_every_connector_and_destination_is_documented():
    """What is bundled and what can be written to can be looked up."""
    assert [n for n in names() if f"\n## `{n}`\n" not in _page("connectors.md")] == []
    assert [k.name for k in describe() if not _listed(_page("destinations.md"), k.name)] == []


def test_every_system_table_is_documented():
    """Whoever finds a table of ours in a database can look it up."""
    sql = importlib.import_module("penstock.destinations._sql")
    tables = {v for v in vars(sql).values() if isinstance(v, str) and v.startswith("_penstock_")}
    tables.discard("_penstock_")  # the prefix alone
    page = _page("destinations.md")

    assert tables
    assert [t for t in sorted(tables) if f"`{t}`" not in page] == []


def test_every_key_of_the_dlt_dialect_is_documented():
    """A key that a document may have stands on the dialect's page."""
    page = _page("dlt.md")
    missing = [key for key in sorted(_dlt_keys()) if f"`{key}`" not in page]

    assert missing == []


def _dlt_keys() -> set[str]:
    """The keys that the dialect compiles, from its tables."""
    tables = {
        "source": ("_TOP", "_CLIENT", "_INPUT"),
        "resources": ("RESOURCE_KEYS",),
        "repairs": ("ENDPOINT_KEYS",),
        "slices": ("_ENDPOINT",),
        "auth": ("_KEYS",),
        "policy": ("_ACTIONS",),
        "pagination": ("_KEYS",),
        "hints": ("_COLUMN_KEYS",),
        "records": ("_STEPS",),
    }
    found: set[str] = set()
    for name, attributes in tables.items():
        module = importlib.import_module(f"penstock.dialects.dlt.{name}")
        for attribute in attributes:
            held = getattr(module, attribute)
            found |= set(held)
            if isinstance(held, dict):
                found |= {
                    key for keys in held.values() for key in keys if not isinstance(keys, str)
                }
    return found


# What is said must hold.


LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path):
    """A link inside the repository leads to a file that is there."""
    targets = [t for t in LINK.findall(page.read_text("utf-8")) if "://" not in t]

    assert [t for t in targets if not (page.parent / t).exists()] == []


def test_every_page_can_be_reached():
    """The README leads to every page."""
    reached = set(LINK.findall((ROOT / "README.md").read_text("utf-8")))

    assert [p.name for p in DOCS.glob("*.md") if f"docs/{p.name}" not in reached] == []


def _after(text: str, marker: str) -> str:
    """The fenced block behind a marker, without its fences."""
    found = re.search(
        rf"<!-- {re.escape(marker)} -->\n```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL
    )
    assert found, f"there is no block marked {marker!r}"
    return found[1]


def test_the_test_command_is_the_one_that_is_checked():
    """`.ci/run` runs the README's test command and no other."""
    readme = _after((ROOT / "README.md").read_text("utf-8"), "the test command")
    done = subprocess.run(
        [str(ROOT / ".ci" / "run"), "--command"], capture_output=True, encoding="utf-8", check=True
    )

    assert done.stdout == readme
    assert "-m pytest" in readme


def test_both_commands_of_the_readme_begin_with_nothing():
    """Each makes its own environment and installs into it, so that a fresh machine suffices."""
    text = (ROOT / "README.md").read_text("utf-8")
    for marker in ("the demo command", "the test command"):
        assert _after(text, marker).startswith("python3 -m venv .venv && .venv/bin/pip install ")


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str
    text: str
    line: int
    marker: str  # the comment in front of it, if any


FENCE = re.compile(
    r"(?:^<!-- (?P<marker>[^\n]*?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def _blocks(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    return [
        Block(m["language"], m["text"], text[: m.start()].count("\n") + 1, m["marker"] or "")
        for m in FENCE.finditer(text)
    ]


RUN = [p for p in PAGES if any(b.marker.split(":")[0] in {"run", "file"} for b in _blocks(p))]


@pytest.mark.parametrize("page", RUN, ids=lambda p: p.name)
def test_examples_run(page: Path, tmp_path: Path):
    """The marked examples of a page run one after the other and give what the page says."""
    for block in _blocks(page):
        kind, _, detail = block.marker.partition(": ")
        where = f"{page.name}:{block.line}"
        if kind == "file":
            (tmp_path / detail).write_text(block.text, "utf-8")
        elif kind == "run" and block.language == "python":
            _run([sys.executable, "-W", "error", "-c", block.text], tmp_path, 0, where)
        elif kind == "run":
            code = int(detail.removeprefix("exit ") or 0)
            _check_console(block.text, tmp_path, code, where)


def _run(command: list[str], folder: Path, code: int, where: str) -> str:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PENSTOCK", "SOURCES"))}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env.get('PATH', '')}"
    env |= {"NO_COLOR": "1", "PYTHONUTF8": "1", "COLUMNS": "100"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=env,
        check=False,
        timeout=120,
        encoding="utf-8",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == code, f"{where}: {done.stdout}"
    return done.stdout


def _check_console(text: str, folder: Path, code: int, where: str) -> None:
    """Run each `$` line, and compare what it prints; `…` stands for anything."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        line, _, expected = part.partition("\n")
        printed = _run(["sh", "-c", line], folder, code, f"{where} $ {line}")
        pattern = re.escape(expected.rstrip("\n")).replace("…", ".*")
        assert re.fullmatch(pattern, printed.rstrip("\n"), re.DOTALL), (
            f"{where} $ {line}\n{printed}"
        )


def test_the_demo_ends_as_the_readme_shows(tmp_path: Path):
    """The README shows the demo's own output; only its seconds and requests differ by machine."""
    shown = _after((ROOT / "README.md").read_text("utf-8"), "the demo's end")
    command = [sys.executable, "-m", "penstock", "demo", "--quiet"]
    printed = _run(command, tmp_path, 0, "penstock demo")

    assert _rows(shown) == _rows(printed)
    assert len(_rows(shown)) == 12
    assert shown.count("SELECT") == printed.count("SELECT") == 3


def _rows(text: str) -> list[tuple[str, ...]]:
    """Schema, stream, status and rows of each line of the table."""
    found = re.findall(r"^(\w+) +(\w+) +(done) +([\d,]+) +", text, re.MULTILINE)
    return sorted(found)


def test_doctests_hold():
    """An example in a docstring is run."""
    for module in modules():
        if ">>>" in module.text:
            failed, _ = doctest.testmod(importlib.import_module(module.name))
            assert failed == 0, module.place
