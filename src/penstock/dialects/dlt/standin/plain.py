"""Whether a script's text says everything, so that there is no need to execute it."""

from __future__ import annotations

import ast

# What changes a source, names one, or says where it goes: none of it is in the configuration.
_TELLING = frozenset(
    {
        *("pipeline", "run", "source", "resource", "transformer", "destination"),
        *("apply_hints", "add_map", "add_filter", "add_yield_map", "add_limit", "with_name"),
        *("with_resources", "select", "selected", "parallelize", "parallelized", "resources"),
        *("max_table_nesting", "schema_contract"),
    }
)
# Of dlt itself: what the text alone can be read with.
_KNOWN = ("dlt.sources.rest_api", "dlt.sources.helpers.rest_client")
_VALUES = frozenset({"secrets", "config", "sources"})
_BUILDERS = frozenset({"rest_api_source", "rest_api_resources"})


def is_plain(text: str) -> bool:
    """Whether a script does nothing with its source but build it of a configuration."""
    return not any(_tells(node) for node in ast.walk(ast.parse(text)))


def _tells(node: ast.AST) -> bool:
    match node:
        case ast.ImportFrom(module=str(module)) if module.startswith("dlt."):
            return not module.startswith(_KNOWN)
        case ast.Import(names=names):
            return any(n.name.startswith("dlt.") and not n.name.startswith(_KNOWN) for n in names)
        case ast.Attribute(value=ast.Name(id="dlt"), attr=name):
            return name not in _VALUES
        case ast.Attribute(attr=name):
            return name in _TELLING
        case ast.Call(func=ast.Name(id=name), keywords=keywords):
            settings = {k.arg for k in keywords} - {"name", "config"}
            return name in _TELLING or (name in _BUILDERS and bool(settings))
        case _:
            return False
