"""Which functions of a script take turns: those of which one changes what another finds."""

from __future__ import annotations

import textwrap

import pytest

from penstock.dialects import compile_document, load
from penstock.dialects.loading import Code

HEAD = """\
import collections
import dlt
from dlt.sources.rest_api import rest_api_resources
from dlt.sources.helpers.rest_client import RESTClient
"""
TAIL = """
@dlt.source(name="shop")
def shop():
    return [one, two]
dlt.pipeline("p").run(shop())
"""

# What two functions share, and what each of them does with it.
TURNS = {
    "a list": ("held = []", "held.append(1)", "len(held)"),
    "a dict of lists": ("held = {}", "held.setdefault('a', []).append(1)", "held.get('a')"),
    "a key": ("held = {}", "held['a'] = 1", "'a' in held"),
    "a key deep inside": ("held = {'a': {}}", "held['a']['b'] = 1", "held"),
    "a key that goes": ("held = {'a': 1}", "del held['a']", "held"),
    "a set": ("held = set()", "held.add(1)", "held"),
    "a default": ("held = collections.defaultdict(list)", "held[1].append(2)", "held"),
    "a variable": ("held = None", "global held; held = 1", "held"),
    "a count": ("held = 0", "global held; held += 1", "held"),
    "another name": ("held = {'a': []}", "known = held['a']; known.append(1)", "held"),
    "a helper": ("held = []\ndef keep(x): held.append(x)", "keep(1)", "held"),
    "a helper's argument": (
        "held = []\ndef keep(into, x): into.append(x)",
        "keep(held, 1)",
        "held",
    ),
    "two helpers": ("held = []\ndef keep(x): held.append(x)\ndef so(): keep(1)", "so()", "held"),
    "a helper inside": ("held = []", "(lambda: held.append(1))()", "held"),
    "an object": (
        (
            "class Shop:\n  def __init__(self): self.ids = []\n"
            "  def keep(self, x): self.ids.append(x)\nheld = Shop()"
        ),
        "held.keep(1)",
        "held.ids",
    ),
    "an attribute": ("class Shop: pass\nheld = Shop()", "held.last = 1", "held"),
    "a class": ("class Shop:\n  ids = []", "Shop.ids.append(1)", "Shop.ids"),
    "what an object calls": (
        "class Shop:\n  def keep(self): self.so()\n  def so(self): self.n = 1\nheld = Shop()",
        "held.keep()",
        "held",
    ),
    "a state": ("", "dlt.current.source_state()['a'] = 1", "dlt.current.source_state().get('a')"),
    "a state in helpers": (
        "def kept(): return dlt.current.source_state()",
        "kept()['a'] = 1",
        "kept().get('a')",
    ),
}
ALONE = {
    "nothing": ("", "0", "0"),
    "a list that nobody changes": ("held = [1]", "len(held)", "held[0]"),
    "a list that one alone knows": ("held = []", "held.append(1)", "0"),
    "a variable that one alone sets": ("held = []", "global other; other = 1", "held"),
    "lists of their own": ("held = []", "held = []; held.append(1)", "held"),
    "a helper with a list of its own": (
        "def keep(x):\n  found = []\n  found.append(x)\n  return found",
        "keep(1)",
        "keep(2)",
    ),
    "what a helper only reads": ("held = [1]\ndef first(x): return x[0]", "first(held)", "held"),
    "a client": ("held = RESTClient('https://a.example')", "held.get('x')", "held.get('y')"),
    "an object that nobody changes": (
        (
            "class Shop:\n  def __init__(self): self.ids = []\n"
            "  def keep(self, x): self.ids.append(x)\n"
            "  def all(self): return self.ids\nheld = Shop()"
        ),
        "held.all()",
        "held.all()",
    ),
    "an object that each makes": (
        "class Seen:\n  def __init__(self): self.ids = []\n  def add(self, x): self.ids.append(x)",
        "Seen().add(1)",
        "Seen().ids",
    ),
    "an object that each makes, by a name": (
        "class Seen:\n  def __init__(self): self.ids = []\n  def add(self, x): self.ids.append(x)",
        "seen = Seen(); seen.add(1)",
        "Seen().ids",
    ),
    "a state of their own": (
        "",
        "dlt.current.resource_state()['a'] = 1",
        "dlt.current.resource_state()",
    ),
}


def compiled(folder, head, one, two, *, more=""):
    """The plan of a script with two functions, by the names of its streams."""
    functions = "".join(
        f"@dlt.resource{more}\ndef {name}():\n    {does}\n    yield {{'n': {sees}}}\n"
        for name, does, sees in (("one", one, "1"), ("two", "pass", two))
    )
    text = HEAD + textwrap.dedent(head) + "\n" + functions + TAIL
    (folder / "pipeline.py").write_text(text, "utf-8")
    found = compile_document(load(str(folder / "pipeline.py"), Code()))
    return {stream.name: stream.order for stream in found.need().streams}


@pytest.mark.parametrize("name", TURNS)
def test_functions_take_turns(name, tmp_path):
    """One of them changes what the other finds, however it comes to it."""
    found = compiled(tmp_path, *TURNS[name])

    assert [found["one"].ring, found["two"].ring] == [0, 0]
    assert [found["one"].at, found["two"].at] == [0, 1]


@pytest.mark.parametrize("name", ALONE)
def test_functions_are_called_beside_one_another(name, tmp_path):
    """What nobody changes, or nobody else finds, holds no function up."""
    assert compiled(tmp_path, *ALONE[name]) == {"one": None, "two": None}


def test_what_is_parallelized_waits_for_nobody(tmp_path):
    """Threads of its own are what a function has in dlt then."""
    assert compiled(tmp_path, *TURNS["a list"], more="(parallelized=True)") == {
        "one": None,
        "two": None,
    }


def test_a_function_that_is_called_again_and_again_keeps_the_order_of_what_it_is_given(tmp_path):
    """A transformer, its parent and what a step fills are in one ring; others are in none."""
    text = """
    IDS = []
    def keep(row):
        IDS.append(row["id"])
        return row
    @dlt.transformer
    def details(row):
        dlt.current.resource_state()["last"] = row
        yield row
    @dlt.resource
    def ids():
        yield from ({"id": one} for one in IDS)
    @dlt.source(name="shop")
    def shop():
        users, teams, roles = rest_api_resources({
            "client": {"base_url": "https://a.example"}, "resources": ["users", "teams", "roles"]})
        teams.add_map(keep)
        return users, teams, roles, users | details, ids
    dlt.pipeline("p").run(shop())
    """
    (tmp_path / "pipeline.py").write_text(HEAD + textwrap.dedent(text), "utf-8")
    found = compile_document(load(str(tmp_path / "pipeline.py"), Code())).need().streams
    rings = {stream.name: stream.order and stream.order.ring for stream in found}

    assert rings["users"] == rings["details"] is not None
    assert rings["teams"] == rings["ids"] is not None
    assert rings["users"] != rings["teams"]
    assert rings["roles"] is None
