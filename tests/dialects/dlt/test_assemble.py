"""Resources of several configurations of a script, put together to one."""

from __future__ import annotations

from penstock.dialects import compile_document, load
from penstock.dialects.loading import Code

SHOP = """\
import dlt
from dlt.sources.rest_api import rest_api_source

def shop(users, below):
    return rest_api_source({
        "client": {"base_url": "https://a.test"},
        "resources": [
            {"name": "users", "endpoint": users},
            {"name": below, "endpoint": "users/{resources.users.id}/" + below},
        ],
    })

"""


def compiled(tmp_path, runs):
    """The compiled script that runs these."""
    path = tmp_path / "pipeline.py"
    path.write_text(f"{SHOP}dlt.run([{runs}])\n", "utf-8")
    return compile_document(load(str(path), Code()))


def test_a_parent_is_found_in_each_configuration(tmp_path):
    """One that says the same stands for both, whether it is loaded or not."""
    found = compiled(tmp_path, "shop('users', 'orders').orders, shop('users', 'deals').deals")
    assert found.source is not None
    loaded = {stream.name: stream.selected for stream in found.source.streams}
    assert loaded == {"orders": True, "deals": True, "users": False}


def test_a_parent_that_is_read_otherwise_is_told(tmp_path):
    """It would be read as the other one, which stands under its name."""
    for first in ("users", "orders"):
        found = compiled(
            tmp_path, f"shop('users', 'orders').{first}, shop('people', 'deals').deals"
        )
        (error,) = [d for d in found.diagnostics if d.severity == "error"]
        assert error.message == "'deals' has a parent called as one of another source: users"
        assert error.place is not None
        assert error.place.line == 9
