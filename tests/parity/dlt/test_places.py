"""Where a script's rows go, as the environment and files of values say it: the same as dlt."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from penstock.engine import compile_source

_ROWS = """\
import dlt

@dlt.resource
def rows():
    yield {"id": 1}

"""
_RUN = "dlt.pipeline('wares', destination=%s, dataset_name='d').run(rows())\n"
_POSTGRES = {"database": "stock", "username": "me@home", "password": "a/b:c", "host": "db.test"}
_TABLE = "\n".join(f"{k} = {v!r}" for k, v in _POSTGRES.items())
# The destination as the script has it, files of values, variables.
CASES: dict[str, tuple[str, dict[str, str], dict[str, str]]] = {
    "a table of secrets": (
        "'postgres'",
        {"secrets.toml": f"[destination.postgres.credentials]\n{_TABLE}\nport = 5433\n"},
        {},
    ),
    "a table for whatever destination": (
        "'postgres'",
        {"secrets.toml": f"[destination.credentials]\n{_TABLE}\n"},
        {},
    ),
    "a table of the pipeline": (
        "'postgres'",
        {"secrets.toml": f"[wares.destination.postgres.credentials]\n{_TABLE}\n"},
        {},
    ),
    "variables for the parts": (
        "'postgres'",
        {},
        {f"DESTINATION__POSTGRES__CREDENTIALS__{k.upper()}": v for k, v in _POSTGRES.items()},
    ),
    "parts in two places": (
        "dlt.destinations.postgres()",
        {"secrets.toml": "[destination.postgres.credentials]\nhost = 'db.test'\ndatabase = 'x'\n"},
        {f"DESTINATION__CREDENTIALS__{k.upper()}": _POSTGRES[k] for k in ("username", "password")},
    ),
    "a URL": (
        "'postgres'",
        {"secrets.toml": "destination.postgres.credentials = 'postgresql://u:p@db.test/x'"},
        {},
    ),
    "a URL for whatever destination": (
        "'postgres'",
        {},
        {"DESTINATION__CREDENTIALS": "postgresql://u:p@db.test:5434/x"},
    ),
    "a URL of the script itself": (
        "'postgres'",
        {},
        {},
    ),
    "a name of its own": (
        "dlt.destinations.postgres(destination_name='shelf')",
        {"secrets.toml": f"[destination.shelf.credentials]\n{_TABLE}\n"},
        {"DESTINATION__POSTGRES__CREDENTIALS": "postgresql://u:p@other.test/x"},
    ),
    "parts that the script gives": (f"dlt.destinations.postgres({_POSTGRES})", {}, {}),
    "a file": ("'duckdb'", {}, {"DESTINATION__DUCKDB__CREDENTIALS": "kept/here.duckdb"}),
    "a file in a table": (
        "'duckdb'",
        {"secrets.toml": "[destination.duckdb.credentials]\ndatabase = 'here.db'\n"},
        {},
    ),
    "a file for whatever destination": ("'duckdb'", {}, {"CREDENTIALS": "here.duckdb"}),
    "a file of the pipeline": (
        "'duckdb'",
        {},
        {"WARES__DESTINATION__CREDENTIALS": "here.duckdb", "DESTINATION__CREDENTIALS": "x.db"},
    ),
    "credentials of Postgres": ("stock", {}, {}),
    "credentials of DuckDB": (
        "dlt.destinations.duckdb(DuckDbCredentials('kept/here.duckdb'))",
        {},
        {},
    ),
    "a file by its name": ("'duckdb'", {}, {"DESTINATION__POSTGRES__CREDENTIALS": "other.duckdb"}),
}
_SAYS = {
    "credentials of Postgres": (
        "from dlt.destinations.impl.postgres.configuration import PostgresCredentials\n"
        f"held = PostgresCredentials()\nheld.update({_POSTGRES})\nheld.port = 5433\n"
        "stock = dlt.destinations.postgres(credentials=held)\n"
    ),
    "credentials of DuckDB": (
        "from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials\n"
    ),
    "a URL of the script itself": (
        "dlt.secrets['destination.postgres.credentials'] = 'postgresql://u:p@db.test/own'\n"
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_destination_is_where_the_settings_say(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Whole or in parts, for one destination or all, and of one pipeline."""
    said, files, variables = CASES[case]
    (tmp_path / ".dlt").mkdir()
    for name, text in files.items():
        (tmp_path / ".dlt" / name).write_text(text, "utf-8")
    for name, value in {**variables, "DLT_DATA_DIR": str(tmp_path / "dlt")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    before = _SAYS.get(case, "")
    Path("script.py").write_text(_ROWS + before + _RUN % said, "utf-8")
    found = compile_source("script.py")
    assert found.target is not None
    assert found.target.destination is not None
    assert _parts(found.target.destination) == _theirs(tmp_path, before, said)


def _theirs(folder: Path, before: str, said: str) -> tuple[Any, ...]:
    """Where dlt would load."""
    from dlt.common.configuration.container import Container  # noqa: PLC0415 (as above)
    from dlt.common.configuration.specs.pluggable_run_context import (  # noqa: PLC0415 (the same)
        PluggableRunContext,
    )

    import dlt  # noqa: PLC0415 (it takes long)

    Container()[PluggableRunContext].reload(str(folder))
    names = {"dlt": dlt}
    exec(before, names)
    where = eval(said, names)
    made = dlt.pipeline("wares", destination=where, dataset_name="d")
    settings: Any = made.destination_client().config
    return _parts(settings.credentials.to_native_representation())


def _parts(url: str) -> tuple[Any, ...]:
    """What a URL of a database says, or the file; with the port that there is otherwise."""
    found = urlsplit(url)
    if found.hostname is None:
        return (Path(url.removeprefix("duckdb:///")).absolute(),)
    who = (unquote(found.username or ""), unquote(found.password or ""))
    return (*who, found.hostname, found.port or 5432, found.path)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "'postgres'",
            (
                "nothing says where the script's destination 'postgres' is",
                (
                    "the rows go to a DuckDB file; "
                    "set DESTINATION__POSTGRES__CREDENTIALS, or pass --to"
                ),
            ),
        ),
        (
            "dlt.destinations.filesystem(destination_name='shelf')",
            (
                "nothing says where the script's destination 'shelf' is",
                "the rows go to a DuckDB file; set DESTINATION__SHELF__BUCKET_URL, or pass --to",
            ),
        ),
        (
            "dlt.destinations.postgres(dlt.secrets['stock'])",
            (
                "nobody has said 'stock', where the script's destination 'postgres' is",
                "the rows go to a DuckDB file; say it, or pass --to",
            ),
        ),
        (
            "dlt.destinations.duckdb(object())",
            (
                "the script's destination 'duckdb' is given what is no place",
                "the rows go to a DuckDB file; name one with --to",
            ),
        ),
    ],
)
def test_a_destination_that_is_nowhere_is_told(
    said: str, told: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """With what would say where it is; the rows have a place of their own then."""
    monkeypatch.chdir(tmp_path)
    Path("script.py").write_text(_ROWS + _RUN % said, "utf-8")
    found = compile_source("script.py")
    assert [(d.message, d.hint) for d in found.diagnostics] == [told]
    assert found.target is not None
    assert found.target.destination is None
