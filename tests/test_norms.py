"""The norms that no linter keeps: sizes, docstrings, reasons, and what must not be said."""

from __future__ import annotations

import ast
import io
import re
import statistics
import subprocess
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sources import (
    ROOT,
    Function,
    Module,
    files_of_tests,
    functions,
    modules,
    public,
)

MOST_FILE_LINES = 600
MOST_FUNCTION_LINES = 50
MEDIAN_FUNCTION_LINES = 12
P90_FUNCTION_LINES = 30

# A sentence: a capital, a number, a quoted word or an identifier first, and a stop at the end.
SENTENCE = re.compile(r"(?:[^a-z]|\w+_).*[.:!?]\Z", re.DOTALL)
NOQA = re.compile(r"#\s*noqa(?P<codes>:\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*)?(?P<reason>.*)")
IGNORE = re.compile(r"#\s*type:\s*ignore(?P<codes>\[[\w\-, ]+\])?(?P<reason>.*)")

# Words that name where the project was made, or a way of working that readers do not share.
UNSAID = (
    r"/work/|/opt/|/root/|/home/[a-z]|/mnt/",
    r"\b(chatgpt|openai|anthropic|claude|copilot|llm|language model|ai agent|ai-generated)\b",
    r"\b(?-i:TODO|FIXME|XXX)\b",
    r"\bissues? (#?\d+|show)\b",
    r"\b(as discussed|in this session|the brief|co-authored-by)\b",
)
# Where such a word is meant: the file, and the reason.
UNSAID_EXCEPT = {
    "tests/test_norms.py": "the list itself",
}

ALL_FILES = (*modules(), *files_of_tests())


def _id(module: Module) -> str:
    return module.place


def _span(node: Function) -> int:
    """Lines of a function from its `def` to its end, without decorators, docstring or comments."""
    first = node.lineno
    if ast.get_docstring(node) is not None and len(node.body) > 1:
        doc = node.body[0]
        assert doc.end_lineno is not None, "parsed code has places"
        return (node.end_lineno or first) - first + 1 - (doc.end_lineno - doc.lineno + 1)
    return (node.end_lineno or first) - first + 1


@pytest.mark.parametrize("module", ALL_FILES, ids=_id)
def test_no_file_is_too_long(module: Module):
    """A file that knows everything is how code bases of this field die."""
    assert len(module.text.splitlines()) <= MOST_FILE_LINES


def test_no_function_is_too_long():
    """A function fits on one screen."""
    wrong = [
        f"{m.place}:{f.lineno} {f.name} has {_span(f)} lines"
        for m in ALL_FILES
        for f in functions(m.tree)
        if _span(f) > MOST_FUNCTION_LINES
    ]

    assert wrong == []


def test_functions_are_short_as_a_rule():
    """Half of all functions stay below a dozen lines, nine in ten below thirty."""
    spans = sorted(_span(f) for m in modules() for f in functions(m.tree))

    assert statistics.median(spans) <= MEDIAN_FUNCTION_LINES
    assert spans[int(len(spans) * 0.9)] <= P90_FUNCTION_LINES


@pytest.mark.parametrize("module", ALL_FILES, ids=_id)
def test_a_file_begins_with_a_sentence(module: Module):
    """The first line of a file says what it is for, in one sentence."""
    said = ast.get_docstring(module.tree)

    assert said, f"{module.place} has no docstring"
    first = said.split("\n\n")[0]
    assert SENTENCE.match(first), f"{module.place}: {first!r} is no sentence"
    assert len(said.splitlines()[0]) <= 100


def _documented(tree: ast.Module) -> Iterator[Function | ast.ClassDef]:
    """Public classes and functions, and the public methods of public classes."""
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and public(node):
            yield node
        if isinstance(node, ast.ClassDef) and public(node):
            for inner in node.body:
                if isinstance(inner, Function) and public(inner) and not _foreign(inner):
                    yield inner


def _foreign(node: Function) -> bool:
    """Whether it only repeats a signature: an overload, or what a library's object has."""
    overload = any(ast.unparse(d).endswith("overload") for d in node.decorator_list)
    return overload or [ast.unparse(b) for b in node.body] == ["..."]


def test_everything_public_has_a_docstring():
    """A name that others may use says what it is, in a sentence."""
    wrong = [
        f"{m.place}:{node.lineno} {node.name}"
        for m in modules()
        for node in _documented(m.tree)
        if not SENTENCE.match((ast.get_docstring(node) or "").split("\n\n")[0])
    ]

    assert wrong == []


def test_every_test_says_what_holds():
    """A test's docstring is the behaviour it proves, in a sentence."""
    wrong = [
        f"{m.place}:{f.lineno} {f.name}"
        for m in files_of_tests()
        for f in functions(m.tree)
        if f.name.startswith("test_")
        and not SENTENCE.match((ast.get_docstring(f) or "").split("\n\n")[0])
    ]

    assert wrong == []


def test_the_plan_knows_every_type():
    """`Any` would let a plan be built that nobody can read."""
    wrong = [
        f"{m.place}:{node.lineno}"
        for m in modules()
        if m.room == "plan"
        for node in ast.walk(m.tree)
        if isinstance(node, ast.Name | ast.alias) and _said(node) == "Any"
    ]

    assert wrong == []


def _said(node: ast.Name | ast.alias) -> str:
    return node.id if isinstance(node, ast.Name) else node.name


def _comments(module: Module) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def _reasonless(comment: str) -> bool:
    """Whether it switches a check off without naming it, or without saying why."""
    for pattern in (NOQA, IGNORE):
        found = pattern.search(comment)
        if found and not (found["codes"] and len(found["reason"].strip(" #()")) >= len("a b")):
            return True
    return False


def test_every_switched_off_check_has_a_reason():
    """Whoever reads `noqa` or `type: ignore` learns which check it is, and why it is wrong here."""
    wrong = [
        f"{m.place}:{line} {comment}"
        for m in ALL_FILES
        for line, comment in _comments(m)
        if _reasonless(comment)
    ]

    assert wrong == []


def test_no_test_is_skipped_without_a_reason():
    """A skipped test names the reason."""
    wrong = [
        f"{m.place}:{node.lineno}"
        for m in files_of_tests()
        for node in ast.walk(m.tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {"pytest.skip", "pytest.mark.skip", "pytest.mark.skipif"}
        and not any(k.arg == "reason" for k in node.keywords)
        and not node.args[-1:]
    ]

    assert wrong == []


def _texts() -> list[Path]:
    """Every text file that is kept in the repository, as far as it can be told here."""
    command = ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if done.returncode == 0:
        found = [ROOT / line for line in done.stdout.splitlines()]
    else:  # an unpacked archive: everything but what tools leave behind
        found = [p for top in ("src", "tests", "docs", "bench", ".ci") for p in _below(ROOT / top)]
        found += [p for p in ROOT.iterdir() if p.suffix in {".md", ".toml"}]
    kinds = {".py", ".md", ".toml", ".yaml", ".yml", ".txt", ".json", ".cfg", ""}
    return [p for p in found if p.suffix in kinds and p.is_file() and p.name != "LICENSE"]


def _below(folder: Path) -> Iterator[Path]:
    return (p for p in folder.rglob("*") if "__pycache__" not in p.parts)


def test_nothing_names_where_it_was_made():
    """What is committed speaks to its readers: no machine paths, no notes among its makers."""
    unsaid = re.compile("|".join(f"(?:{p})" for p in UNSAID), re.IGNORECASE)
    wrong = []
    for path in _texts():
        place = path.relative_to(ROOT).as_posix()
        if place in UNSAID_EXCEPT:
            continue
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
            found = unsaid.search(line)
            if found:
                wrong.append(f"{place}:{number} says {found[0]!r}")

    assert wrong == []


def test_the_oldest_libraries_that_are_tested_are_those_that_are_allowed():
    """A floor that nobody stands on may be a hole."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = told["optional-dependencies"]
    allowed = [
        *told["dependencies"],
        *(w for n in ("delta", "postgres", "s3", "jwt") for w in extras[n]),
    ]
    floors = {}
    for wanted in allowed:
        name, floor = re.fullmatch(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)(?:,.*)?", wanted).groups()
        floors[name] = floor
    lines = (ROOT / "tests" / "oldest.txt").read_text("utf-8").splitlines()
    tested = dict(line.split("==") for line in lines if line[:1] != "#")
    assert tested.keys() == floors.keys()
    for name, floor in floors.items():
        assert f"{tested[name]}.".replace(".*.", ".").startswith(f"{floor}."), name


def test_the_norms_are_looked_for_where_the_code_is():
    """The lists these tests go through hold the package and its tests."""
    places = {m.place for m in ALL_FILES}

    assert "src/penstock/plan/source.py" in places
    assert "tests/test_norms.py" in places
    assert len(ALL_FILES) > 100
