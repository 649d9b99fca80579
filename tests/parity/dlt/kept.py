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

KEPT: dict[str, str] = {
    "marks append what their resource replaces": MARKED,
}
