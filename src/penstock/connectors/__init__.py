"""The bundled connectors: configurations anyone could have written."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent


def names() -> tuple[str, ...]:
    """The names of the bundled connectors, sorted."""
    return tuple(sorted(p.stem for p in _FOLDER.glob("*.yaml")))


def path(name: str) -> Path:
    """The configuration of the connector called `name`.

    Raises:
        KeyError: there is none.
    """
    if name not in names():
        raise KeyError(name)
    return _FOLDER / f"{name}.yaml"


def describe(name: str) -> str:
    """What the connector called `name` loads: the comment its configuration begins with.

    Raises:
        KeyError: there is none.
    """
    lines = path(name).read_text("utf-8").splitlines()
    said = []
    for line in lines:
        if not line.startswith("#"):
            break
        said.append(line.lstrip("# ").rstrip())
    return " ".join(said)
