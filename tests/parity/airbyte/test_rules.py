"""Every rule that manifests may depend on has cases that show it, and they are there."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from tests.parity.airbyte.test_parity import CASES

TESTS = Path(__file__).parents[2]
SECTIONS = tomllib.loads(Path(__file__).with_name("rules.toml").read_text("utf-8"))
RULES = {rule: cases for section in SECTIONS.values() for rule, cases in section.items()}
NAMES = frozenset(case.name for case in CASES)


@cache
def _tests(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS / file).read_text("utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def _missing(cases: list[str]) -> Iterator[str]:
    for case in cases:
        file, _, test = case.partition("::")
        known = test in _tests(file) if test else case in NAMES
        if not known:
            yield case


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_has_cases(rule: str):
    """Each names at least one, and every one it names is played."""
    assert RULES[rule]
    assert list(_missing(RULES[rule])) == []
