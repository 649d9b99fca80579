"""Documents that are bombs: refused before they are large."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from penstock.engine import compile_source

MOST = 100 * 1024 * 1024


def doubled(depth: int, width: int, form: str) -> str:
    """Anchors, each of which holds the one before it many times."""
    lines = [f"a0: &a0 {form.format('x')}"]
    for n in range(1, depth):
        inner = ", ".join([f"*a{n - 1}"] * width)
        lines.append(f"a{n}: &a{n} [{inner}]")
    return "\n".join(lines)


BOMBS = {
    "lists": doubled(9, 10, "[{0}]"),
    "pairs": doubled(40, 2, "{{k: {0}}}"),
    "merges": "a: &a {x: 1}\n"
    + "\n".join(f"b{n}: &b{n} {{<<: [{', '.join(['*a'] * 900)}], y{n}: 1}}" for n in range(40)),
    "itself": "a: &a [*a]",
    "deep flow": "[" * 100_000,
    "deep map": "a: " + "{a: " * 50_000,
    "deep block": "\n".join(" " * n + "- " for n in range(3000)),
    "long scalar": "a: " + "x" * 3_000_000,
    "many keys": "\n".join(f"k{n}: 1" for n in range(20_000)),
    "references": "streams: []\ndefinitions:\n  a: {$ref: '#/definitions/b'}\n"
    "  b: {$ref: '#/definitions/a'}\n",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_stays_small(name: str, tmp_path: Path) -> None:
    """It is an error with a code, and never takes a hundred megabytes."""
    path = tmp_path / "bomb.yaml"
    path.write_text(BOMBS[name], "utf-8")
    tracemalloc.start()
    try:
        compiled = compile_source(str(path))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert compiled.source is None
    assert all(found.code for found in compiled.diagnostics)
    assert peak < MOST


TAGS = (
    *("!!python/object/apply:os.system ['id']", "!!python/object:os.path {}", "!!python/name:os.x"),
    *("!!python/module:os", "!!python/object/new:type ['x']", "!!binary aGk=", "!x 1", "!!map []"),
    *("!include /etc/passwd", "!ENV ${HOME}", "!!js/function 'x'", "!!java.util.Date {}"),
)


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_makes_nothing(tag: str, tmp_path: Path) -> None:
    """Tags are errors or plain values, and no code runs for them."""
    path = tmp_path / "tag.yaml"
    path.write_text(f"name: x\nclient: {tag}\nresources: []\n", "utf-8")
    compiled = compile_source(str(path))

    assert compiled.source is None
    assert compiled.diagnostics
