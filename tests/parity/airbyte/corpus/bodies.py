"""Answers in the forms that decoders read."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from typing import Any
from xml.sax.saxutils import escape, quoteattr


def encoded(body: Any, rows: list[Any], decoder: dict[str, Any]) -> tuple[bytes, str]:
    """A body as a decoder wants it, and its content type."""
    match decoder.get("type"):
        case "XmlDecoder":
            return f"<?xml version='1.0'?>{_xml(body)}".encode(), "application/xml"
        case "CsvDecoder":
            return _csv(rows, decoder), "text/csv"
        case "JsonlDecoder":
            return "\n".join(json.dumps(row) for row in rows).encode(), "application/jsonl"
        case "IterableDecoder":
            return "\n".join(json.dumps(row) for row in rows).encode(), "text/plain"
        case "GzipDecoder":
            inner, kind = encoded(body, rows, decoder.get("decoder") or {})
            return gzip.compress(inner, mtime=0), kind
        case "ZipfileDecoder":
            inner, kind = encoded(body, rows, decoder.get("decoder") or {})
            held = io.BytesIO()
            with zipfile.ZipFile(held, "w") as file:
                file.writestr(zipfile.ZipInfo("part.txt"), inner)
            return held.getvalue(), "application/zip"
        case _:
            return json.dumps(body).encode(), "application/json"


def _csv(rows: list[Any], decoder: dict[str, Any]) -> bytes:
    held = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    delimiter = str(decoder.get("delimiter") or ",").replace("\\t", "\t")
    writer = csv.DictWriter(held, names or ["id"], delimiter=delimiter)
    writer.writeheader()
    for row in rows:
        plain = {n: json.dumps(v) if isinstance(v, (dict, list)) else v for n, v in row.items()}
        writer.writerow(plain)
    return held.getvalue().encode(str(decoder.get("encoding") or "utf-8"), "replace")


def _xml(value: Any, name: str = "") -> str:
    if isinstance(value, list):
        if name:
            return "".join(_xml(item, name) for item in value)
        return _xml({"root": {"item": value}})
    if not name:
        if isinstance(value, dict) and len(value) == 1:
            [(only, inner)] = value.items()
            return _xml(inner if not isinstance(inner, list) else {"item": inner}, only)
        return _xml(value, "root")
    if isinstance(value, dict):
        attributes = "".join(
            f" {k[1:]}={quoteattr(str(v))}" for k, v in value.items() if k.startswith("@")
        )
        inner = "".join(_xml(v, k) for k, v in value.items() if not k.startswith(("@", "#")))
        text = escape(str(value["#text"])) if "#text" in value else ""
        return f"<{name}{attributes}>{text}{inner}</{name}>"
    if value is None:
        return f"<{name}/>"
    return f"<{name}>{escape(str(value))}</{name}>"
