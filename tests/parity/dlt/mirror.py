"""A schema of Postgres as a DuckDB file, to be looked at like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import duckdb
import psycopg
from tests.parity.dlt import dump

_KINDS = {
    "character varying": "VARCHAR",
    "text": "VARCHAR",
    "double precision": "DOUBLE",
    "jsonb": "JSON",
    "bytea": "BLOB",
    "timestamp without time zone": "TIMESTAMP",
}
"""What DuckDB calls the types that it does not call as Postgres does."""


def mirror(url: str, schema: str, file: Path) -> None:
    """Put every table of a schema, with its columns, types and rows, into a new DuckDB file."""
    file.unlink(missing_ok=True)
    with psycopg.connect(url) as source, duckdb.connect(str(file)) as target:
        target.execute(f"CREATE SCHEMA {schema}; USE {schema}; SET TimeZone = 'UTC'")
        source.execute("SET TIME ZONE 'UTC'")
        for table, columns in _columns(source, schema).items():
            spelled = ", ".join(f'"{name}" {kind}' for name, kind in columns)
            target.execute(f'CREATE TABLE "{table}" ({spelled})')
            names = ", ".join(_asked(name, kind) for name, kind in columns)
            rows = source.execute(f'SELECT {names} FROM "{schema}"."{table}"').fetchall()
            marks = ", ".join("?" for _ in columns)
            if rows:
                target.executemany(f'INSERT INTO "{table}" VALUES ({marks})', rows)


def tables(url: str, schema: str, file: Path) -> dict[str, Any]:
    """The tables of a schema, said as those of a DuckDB file are."""
    mirror(url, schema, file)
    return dump.tables(str(file), schema)


def whole(url: str) -> str:
    """A URL with all that dlt asks for; a host that stands in the query counts before another."""
    parts = urlsplit(url)
    user, password = parts.username or "postgres", parts.password or "none"
    place = f"{parts.hostname or 'localhost'}:{parts.port or 5432}"
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{place}"))


def _columns(source: Any, schema: str) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    query = (
        "SELECT table_name, column_name, data_type, numeric_precision, numeric_scale, is_nullable "
        "FROM information_schema.columns WHERE table_schema = %s "
        "ORDER BY table_name, ordinal_position"
    )
    for table, name, kind, precision, scale, nullable in source.execute(query, [schema]):
        spelled = _KINDS.get(kind, kind.upper())
        if kind == "numeric":
            # dlt has such columns for integers beyond 64 bits, which it makes HUGEINT in DuckDB
            spelled = f"DECIMAL({precision},{scale})" if precision <= 38 else "HUGEINT"
        if nullable == "NO":
            spelled += " NOT NULL"
        found.setdefault(table, []).append((name, spelled))
    return found


def _asked(name: str, kind: str) -> str:
    return f'"{name}"::text' if kind.startswith("JSON") else f'"{name}"'
