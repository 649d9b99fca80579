"""Scripts that read a part: `add_limit` counts what is left behind steps and a cursor."""

from __future__ import annotations

from tests.parity.dlt.scripts import Written
from tests.parity.dlt.server import Ask, Reply


def pages(ask: Ask) -> Reply:
    """Five pages of three records."""
    page = ask.number("page", 1)
    rows = [{"id": page * 10 + n, "at": page * 10 + n} for n in range(3)] if page < 6 else []
    return Reply(body=rows, empty=not rows)


FUNCTIONS = """
@dlt.resource
def rows():
    for n in range(12):
        yield {"id": n}

@dlt.resource
def lists():
    for n in range(12):
        yield [{"id": n}, {"id": n + 100}]
    yield []

def generated(name, count):
    for n in range(count):
        yield {"name": name, "n": n}

@dlt.resource
def several():
    yield generated("x", 3)
    yield generated("y", 3)
    yield {"name": "own"}

def third(row):
    return row["id"] % 3 == 2

def twice(row):
    yield {**row, "nth": 1}
    yield {**row, "nth": 2}

@dlt.transformer
def below(row):
    yield {**row, "nth": 1}
    yield {**row, "nth": 2}

@dlt.resource
def through():
    for row in lists().add_filter(third).add_limit(3):
        yield row
    for row in lists().add_limit(3, count_rows=True):
        yield row

@dlt.source(name="shop")
def source():
    yield rows.with_name("filtered").add_filter(third).add_limit(2)
    yield rows.with_name("limited_first").add_limit(2).add_filter(third)
    yield rows.with_name("some_in_a_list").add_map(
        lambda row: [row, row] if third(row) else None).add_limit(2)
    yield rows.with_name("two_of_one").add_yield_map(twice).add_limit(3)
    yield lists.with_name("filtered_lists").add_filter(third).add_limit(2)
    yield lists.with_name("filtered_by_rows").add_filter(third).add_limit(2, count_rows=True)
    yield several.add_limit(2)
    yield (rows.with_name("above").add_filter(third).add_limit(2) | below).add_limit(3)
    yield through
"""
FOLLOWED = """
@dlt.resource
def rows(at=dlt.sources.incremental("id", initial_value=0)):
    for n in range(10):
        yield {"id": n, "told": str((at.last_value, at.start_out_of_range))}

@dlt.resource
def lists(at=dlt.sources.incremental("id", initial_value=4)):
    for n in range(10):
        yield [{"id": n * 2, "told": str((at.last_value, at.start_out_of_range))}, {"id": n + 1}]

@dlt.source(name="shop")
def source():
    config = {
        "client": {"base_url": "BASE",
                   "paginator": {"type": "page_number", "base_page": 1, "total_path": None}},
        "resources": [
            {"name": "read", "endpoint": {
                "path": "x", "incremental": {"cursor_path": "at", "initial_value": 12}}},
            {"name": "filtered", "endpoint": "y",
             "processing_steps": [{"filter": lambda row: row["id"] > 25}]}]}
    read, filtered = rest_api_resources(config)
    filtered.add_limit(4, count_rows=True)
    return rows().add_limit(3), lists().add_limit(2), read.add_limit(2), filtered
"""
RANGES = """
def told(at):
    return str((at.start_out_of_range, at.end_out_of_range, at.last_value))

def followed(name, given, **bounds):
    @dlt.resource(name=name)
    def rows(at=dlt.sources.incremental("id", on_cursor_value_missing="include", **bounds)):
        for one in given:
            yield [{"id": n, "told": told(at)} if n else {"told": told(at)} for n in one]
    return rows

@dlt.source(name="shop")
def source():
    yield followed("starts", [[1, 5], [5, 2], [7], [0, 1], [1, 0], [9]], initial_value=3)
    yield followed("ends", [[4, 5], [12, 4], [6, 12], [8], [5]], initial_value=3, end_value=10)
    yield followed("closed", [[9, 10], [10], [7]], initial_value=3, end_value=10,
                   range_end="closed")
    yield followed("open", [[3, 5], [5, 3], [3], [4]], initial_value=3, range_start="open")
    yield followed("falls", [[40, 20], [20, 40], [10]], initial_value=30, last_value_func=min)
"""
# Each source has a limit of its own, though their resources are called the same.
SOURCES = """
def source(account):
    @dlt.resource
    def made():
        for n in range(5):
            yield {"of": account, "n": n}

    read = rest_api_resources({
        "client": {"base_url": "BASE/" + account,
                   "paginator": {"type": "page_number", "base_page": 1, "total_path": None}},
        "resources": ["read"]})
    return dlt.source(lambda: (made, *read), name="shop")()

pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data")
pipeline.run([source("a").add_limit(2), source("b").add_limit(2)])
"""

LIMITED: dict[str, Written] = {
    "limits what is left of rows that functions make": Written(
        text=FUNCTIONS, api=pages, source="source()"
    ),
    "limits what a cursor lets through, further on in each run": Written(
        text=FOLLOWED, api=pages, source="source()", runs=3, law=True
    ),
    "is told whether the last row was out of range": Written(
        text=RANGES, api=pages, source="source()"
    ),
    "limits each of several sources": Written(text=SOURCES, api=pages, law=True),
}
