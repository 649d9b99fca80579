"""Every combination of how tables are named, what holds for them, and for those inside of them."""

from __future__ import annotations

from itertools import product

from tests.parity.dlt.scripts import Written
from tests.parity.dlt.server import Ask

MODES = ("append", "replace", "merge")


def orders(ask: Ask) -> list[dict[str, object]]:
    """Orders of two kinds, with lines that have parts; in the second round some have changed."""
    held: list[dict[str, object]] = [
        {"id": 1, "kind": "in", "lines": [{"n": 1, "q": 1, "parts": [{"p": 1}]}, {"n": 2}]},
        {"id": 2, "kind": "out", "lines": [{"n": 3, "parts": [{"p": 2}, {"p": 3}]}]},
        {"id": 3, "kind": "in", "lines": []},
    ]
    if ask.round == 2:
        held[0] = {"id": 1, "kind": "in", "lines": [{"n": 1, "q": 5, "parts": [{"p": 4}]}]}
        held[1] = {"id": 4, "kind": "in", "lines": [{"n": 3, "q": 2}, {"n": 4, "parts": []}]}
    return held


_SCRIPT = """
from dlt.sources.helpers import requests

@dlt.resource(name="orders", primary_key="id", write_disposition="MODE"NAMED,
              nested_hints={"lines": NESTED})
def orders():
    for order in requests.get("BASE/orders").json():
        yield MADE
"""
_NAMED = {
    "plain": ("", "order"),
    "a function": (', table_name=lambda order: order["kind"]', "order"),
    "a mark": ("", 'dlt.mark.with_table_name(order, order["kind"])'),
    "marks with hints": (
        "",
        'dlt.mark.with_hints(order, dlt.mark.make_hints(table_name=order["kind"], HINTED), True)',
    ),
}
_HINTS = 'primary_key="id", write_disposition="MODE"'
_KEYS = {
    "primary key": '"primary_key": "n"',
    "merge key": '"merge_key": "n"',
    "key of a column": '"columns": {"n": {"name": "n", "primary_key": True}}',
    "no key": '"columns": {"q": {"name": "q", "data_type": "double"}}',
}


def _permuted() -> dict[str, Written]:
    found: dict[str, Written] = {}
    inner = ("", *MODES)
    for mode, (how, (named, made)), (key, said), nested in product(
        MODES, _NAMED.items(), _KEYS.items(), inner
    ):
        if key == "no key" and nested:
            continue  # which Penstock does not do, and says so
        entry = f', "write_disposition": "{nested}"' if nested else ""
        text = _SCRIPT.replace("NAMED", named).replace("NESTED", "{" + said + entry + "}")
        text = text.replace("MADE", made).replace("HINTED", _HINTS).replace("MODE", mode)
        name = f"{how}, {mode}, lines with {key} {nested}".strip()
        found[name] = Written(text=text, api=orders, source="orders")
    return found


PERMUTED = _permuted()
