"""Scripts that choose among the resources of sources, some of which are not selected themselves."""

from __future__ import annotations

import zlib
from typing import Any

from tests.parity.dlt.scripts import Written
from tests.parity.dlt.server import Ask


def tree(ask: Ask) -> list[dict[str, Any]]:
    """Two records of each place, with ids that no other place has."""
    first = zlib.crc32(ask.path.encode()) % 9999 * 10
    return [{"id": first + 1}, {"id": first + 2}]


SHOP = """
def shop(*unselected):
    paths = {"a": "a", "b": "a/{resources.a.id}/b", "c": "a/{resources.a.id}/c",
             "d": "d", "e": "d/{resources.d.id}/e", "f": "e/{resources.e.id}/f"}
    return rest_api_source({
        "client": {"base_url": "BASE", "paginator": "single_page"},
        "resource_defaults": {"write_disposition": "replace"},
        "resources": [{"name": name, "endpoint": path, "selected": name not in unselected}
                      for name, path in paths.items()],
    })

def chosen(source, *names):
    for one in source.resources.values():
        one.selected = one.name in names
    return source
"""

SEVERAL = """
@dlt.source
def shop():
    for name in ("x", "y"):
        yield from rest_api_resources({
            "client": {"base_url": f"BASE/{name}", "paginator": "single_page"},
            "resource_defaults": {"write_disposition": "replace"},
            "resources": [
                {"name": f"p{name}", "endpoint": "p", "selected": False},
                {"name": f"k{name}", "endpoint": f"p/{{resources.p{name}.id}}/k"},
                {"name": f"l{name}", "endpoint": {"path": "p/{id}/l", "params": {
                    "id": {"type": "resolve", "resource": f"p{name}", "field": "id"}}}},
            ]})

def picked(*names):
    made = shop()
    return [made.resources[name] for name in names]
"""

CHOSEN: dict[str, Written] = {
    **{
        f"chosen: {name}": Written(text=SHOP, api=tree, source=source)
        for name, source in {
            "a parent": "shop('a', 'd').with_resources('a')",
            "a child of what is not": "shop('a', 'b', 'd').with_resources('b', 'e')",
            "where none is": "shop(*'abcdef').with_resources('c', 'f')",
            "all that are": "shop('a', 'd', 'f')",
            "one by one": "chosen(shop('a', 'd', 'e'), 'b', 'f')",
        }.items()
    },
    **{
        f"chosen of several: {name}": Written(text=SEVERAL, api=tree, source=source)
        for name, source in {
            "two children": "shop().with_resources('kx', 'ly')",
            "a parent with them": "shop().with_resources('px', 'kx')",
            "children without their parents": "picked('kx', 'ly')",
        }.items()
    },
}
