"""What each room offers: sorted, importable, and for the package itself listed here by hand."""

from __future__ import annotations

import ast
import importlib

import pytest
from tests.sources import Module, modules

import penstock

# Everything a user may import from `penstock`. A name is added or removed here on purpose.
PUBLIC = [
    "Compiled",
    "Dataset",
    "DestinationError",
    "Diagnostic",
    "Error",
    "Interrupted",
    "Options",
    "PlanError",
    "ReadError",
    "Receipt",
    "Reshaped",
    "Result",
    "ShapeError",
    "Source",
    "as_dlt_source",
    "compile_source",
    "dataset",
    "execute",
    "load",
    "read_stream",
    "reshape",
    "run",
]


def _declared(module: Module) -> list[str] | None:
    """The names in `__all__`, as they stand in the file."""
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [str(name) for name in ast.literal_eval(node.value)]
    return None


WITH_ALL = [m for m in modules() if _declared(m) is not None]


def test_the_package_offers_exactly_this():
    """The public API is a list that is changed on purpose."""
    assert penstock.__all__ == PUBLIC


@pytest.mark.parametrize("module", WITH_ALL, ids=lambda m: m.place)
def test_exports_are_sorted_and_can_be_imported(module: Module):
    """`__all__` names what is there, in the linter's order and each name once."""
    names = _declared(module) or []
    imported = importlib.import_module(module.name)

    assert [n for n in names if not hasattr(imported, n)] == []
    assert names == sorted(set(names), key=_isort)


def _isort(name: str) -> tuple[int, str]:
    """Constants first, then classes, then functions: the order the linter keeps."""
    if name.isupper():
        return 0, name
    return (1, name) if name[:1].isupper() else (2, name)


def test_an_unknown_name_is_an_attribute_error():
    """A name the package does not offer fails as with any module."""
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        penstock.nothing  # noqa: B018 (the access is what is tested)


def test_dir_lists_what_the_package_offers():
    """Completion in a shell shows the public names before any is imported."""
    assert set(PUBLIC) <= set(dir(penstock))


def test_public_names_are_the_ones_their_rooms_define():
    """The package only passes names on: an error caught by its public name is the one raised."""
    from penstock.engine.running import execute  # noqa: PLC0415 (the same)
    from penstock.errors import PlanError  # noqa: PLC0415 (compared with the public name)

    assert penstock.PlanError is PlanError
    assert penstock.execute is execute
