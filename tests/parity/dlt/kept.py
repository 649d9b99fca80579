"""Scripts of several runs in which the second one goes on from what the first one has left."""

MARKED = """
@dlt.resource(write_disposition="replace")
def marked():
    rows = requests.get("BASE/days").json()
    yield dlt.mark.with_hints(rows, dlt.mark.make_hints(write_disposition="append"))

@dlt.resource(write_disposition="replace")
def to_others():
    row = {"id": 1}
    for table in ("kept", "anew"):
        disposition = "append" if table == "kept" else "replace"
        hints = dlt.mark.make_hints(table_name=table, write_disposition=disposition)
        yield dlt.mark.with_hints(row, hints, create_table_variant=True)

for resource in (marked, marked, to_others, to_others):
    pipeline.run(resource)
"""

SAID = """
ROW = {"id": 1, "list": [{"x": 1, "deep": [{"z": 1}]}], "object": {"y": {"z": 1}}}

def source(name, of="shop", data=(ROW,), **said):
    @dlt.source(name=of, **said)
    def made():
        return dlt.resource(list(data), name=name)

    return made()
"""
NESTED = (
    SAID
    + """
def loose(name):
    pipeline.run([ROW], table_name=name)

loose("before")
changed = source("changed")
changed.max_table_nesting = 0
pipeline.run(changed)
loose("behind")
pipeline.run(source("other", of="other", max_table_nesting=1))
loose("behind_another")
pipeline.run(source("further"))
loose("behind_one_that_says_nothing")
pipeline.run(changed)
loose("behind_one_again")
pipeline.run([source("a", max_table_nesting=0), source("b")])
pipeline.run([source("c"), source("d", max_table_nesting=1)])
loose("behind_several")
pipeline.run([source("e", max_table_nesting=0), dlt.resource([ROW], name="beside")])
loose("behind_a_list")
pipeline.run(source("last"))
"""
)
CONTRACTS = (
    SAID
    + """
def twice(name):
    for n in (1, 2):
        pipeline.run([{"id": n, f"of_{n}": n}], table_name=name)

def one(name, **said):
    return source(name, data=[{"id": 1}], **said)

twice("before")
pipeline.run(one("x", schema_contract={"columns": "discard_value"}))
twice("behind")
pipeline.run(one("y"))
twice("behind_one_that_says_nothing")
pipeline.run([{"id": 1}], table_name="z", schema_contract={"columns": "discard_row"})
twice("behind_a_run")
pipeline.run(one("last"))
"""
)

NAMED = """
def named(of, first, last):
    @dlt.source(name=of)
    def made():
        @dlt.resource(name="events")
        def events(at=dlt.sources.incremental("id", initial_value=0)):
            state = dlt.current.resource_state()
            state["runs"] = state.get("runs", 0) + 1
            yield [{"id": n, "of": of, "begins": at.last_value, "runs": state["runs"]}
                   for n in range(first, last)]

        @dlt.resource(name=f"told_{of}")
        def told():
            state = dlt.current.source_state()
            state["n"] = state.get("n", 0) + 1
            yield {"n": state["n"]}

        return events, told

    return made()

def endpoint(of, first):
    return rest_api_source({
        "client": {"base_url": "BASE", "paginator": "single_page"},
        "resources": [{"name": "found", "endpoint": {
            "path": "days", "params": {"last": first + 2},
            "incremental": {"cursor_path": "id", "start_param": "first", "initial_value": first}}}],
    }, name=of)
"""
OF_TWO_SOURCES = (
    NAMED
    + """
for _ in range(2):
    for of, first, last in (("one", 5, 9), ("other", 1, 5), ("one", 4, 11)):
        for source in (named(of, first, last), endpoint(of, first)):
            len(pipeline.run(source).loads_ids)  # asks, so that each is loaded before the next one
"""
)
OF_TWO_PIPELINES = (
    NAMED
    + """
for name, first in (("first", 4), ("second", 1)):
    of = dlt.pipeline(name, destination=dlt.destinations.duckdb("shop.duckdb"),
                      dataset_name="shop_data")
    of.run(named("one", first, first + 3))
    of.run(endpoint("one", first))
"""
)

AGAIN_BESIDE = """
@dlt.resource
def followed(at=dlt.sources.incremental("id", initial_value=2)):
    yield [{"id": n} for n in range(6)]

pipeline.run(followed)
pipeline.run(shop("months"))
pipeline.run(followed)
"""

OPENED = """
def rows():
    return [{"id": n, "at": f"2024-01-0{n}T00:00:00Z"} for n in (2, 3, 4)]

@dlt.resource
def of_a_day(at=dlt.sources.incremental("at", initial_value="2024-01-03", range_start="open")):
    yield rows()

@dlt.resource
def of_a_moment(at=dlt.sources.incremental(
        "at", initial_value="2024-01-03T00:00:00Z", range_start="open")):
    yield rows()

pipeline.run([of_a_day, of_a_moment])
"""

GONE_THROUGH = """
@dlt.resource
def followed(at=dlt.sources.incremental("id", initial_value=2)):
    state = dlt.current.resource_state()
    state["n"] = state.get("n", 0) + 1
    yield [{"id": n, "begins": at.last_value, "n": state["n"]}
           for n in range(7 if at.last_value == 2 else 9)]

def endpoint():
    return rest_api_source({
        "client": {"base_url": "BASE", "paginator": "single_page"},
        "resources": [{"name": "found", "endpoint": {
            "path": "days", "incremental": {
                "cursor_path": "id", "start_param": "first", "initial_value": 1}}}],
    }, name="shop")

@dlt.resource
def marked():
    yield dlt.mark.with_table_name({"id": 1}, "x")
    yield dlt.mark.with_hints([{"id": 2}, {"id": 3}], dlt.mark.make_hints(primary_key="id"))

def seen(name):
    rows = [{"of": "marked", **row} for row in marked]
    rows += [{"of": "followed", **row} for row in followed]
    rows += [{"of": "source", "id": row["id"]} for row in endpoint()]
    rows += [{"of": "resource", "id": row["id"]} for row in endpoint().found]
    pipeline.run([{"of": "nothing"}, *rows], table_name=name)

seen("before")
pipeline.run(followed)
pipeline.run(endpoint())
seen("behind")
"""

KEPT: dict[str, str] = {
    "rows that a script goes through begin where the pipeline is": GONE_THROUGH,
    "an open range begins behind its first value, as a text": OPENED,
    "a resource that follows is run again behind one of a configuration": AGAIN_BESIDE,
    "sources of other names go on from where they were themselves": OF_TWO_SOURCES,
    "pipelines of other names go on from where they were themselves": OF_TWO_PIPELINES,
    "what a source says of its schema holds until the next one says otherwise": NESTED,
    "a contract holds until the next one": CONTRACTS,
    "marks append what their resource replaces": MARKED,
}


BEFORE_THE_SOURCE = (
    SAID
    + """
pipeline.run([{"id": 1, "o": {"p": 1}}], table_name="rows")
pipeline.run(source("x", max_table_nesting=0))
"""
)
CUT_OFF = """
@dlt.resource
def followed(at=dlt.sources.incremental("id", initial_value=0)):
    yield [{"id": n} for n in (1, 2, 3)]

def twice(row):
    yield row
    yield {**row, "again": True}

pipeline.run(followed().add_yield_map(twice).add_limit(2))
pipeline.has_data
pipeline.run(followed())
"""
AGAIN = (
    SAID
    + """
first = source("first", max_table_nesting=0)
pipeline.run(first)
pipeline.run(source("then"))
pipeline.run(first.clone())
pipeline.run([ROW], table_name="rows")
"""
)
