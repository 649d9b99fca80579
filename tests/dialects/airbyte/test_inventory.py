"""Everything that the reference engine's schema has a word for is honoured, or said not to be."""

from __future__ import annotations

import importlib.util
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from penstock.dialects.airbyte import vocabulary

if not find_spec("airbyte_cdk"):
    pytest.skip("the reference engine's schema is not installed", allow_module_level=True)

_spec = importlib.util.spec_from_file_location(
    "airbyte_inventory", Path(__file__).with_name("inventory.py")
)
assert _spec is not None
inventory = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = inventory
_spec.loader.exec_module(inventory)

# What changes nothing, and why nothing is lost by it.
NO_CHANGE = {
    ("DeclarativeSource", "version"): "the engine does not look at it either",
    ("DeclarativeSource", "schemas"): "references lead there",
    ("DeclarativeSource", "definitions"): "references lead there",
    ("DeclarativeSource", "metadata"): "for those who keep the manifest",
    ("DeclarativeSource", "description"): "for people",
    ("ConfigMigration", "description"): "for people",
    ("StreamGroup", "action"): "there is one action only",
    ("StateDelegatingStream", "name"): "it is that of both its streams; another is an error",
    ("JsonFileSchemaLoader", "file_path"): "it names a file: test_schemas.py",
    ("HttpRequester", "use_cache"): "a parent is read once for all its children",
    ("HttpRequester", "use_tcp_keepalive"): "the client sees to its connections itself",
}


@pytest.mark.parametrize("kind", sorted(inventory.types()))
def test_every_property_is_honoured_or_told(kind: str):
    """A property makes a difference, or stands in the table."""
    ignored = [
        name
        for of, name in inventory.pairs()
        if of == kind and not inventory.honoured(kind, name)[0] and (kind, name) not in NO_CHANGE
    ]

    assert ignored == []


def test_the_table_names_only_what_there_is():
    """A row whose property is honoured, or gone, goes too."""
    known = set(inventory.pairs())
    assert set(NO_CHANGE) <= known
    done = [pair for pair in NO_CHANGE if inventory.honoured(*pair)[0]]
    assert done == []


def test_the_vocabulary_is_the_schemas():
    """Every type and field of the schema is a word here, and no other is; so are those needed."""
    for kind, schema in inventory.types().items():
        fields = set(schema["properties"]) - {"type", "$parameters"}
        assert vocabulary.fields(kind) == fields, kind
    ours = {name for name in vocabulary.kinds() if not name.startswith("Custom")}
    assert ours - set(inventory.types()) == set()


@pytest.mark.parametrize("kind", sorted(inventory.types()))
def test_every_place_takes_what_the_schema_lets_it_hold(kind: str):
    """No component of a type that the schema allows is refused in its place."""
    refused: list[str] = []
    for name, part in inventory.types()[kind]["properties"].items():
        for inner in inventory.refers(part) if name != "$parameters" else ():
            refused += inventory.refusals(kind, name, inner)

    assert refused == []
