"""Scripts that change, name and pipe one resource several times, and run it again."""

OBJECTS = """
numbers = dlt.resource([{"id": n} for n in range(4)], name="numbers")
pair = days(1, 2)

@dlt.source(name="shop")
def both(step):
    numbers.add_map(lambda row: {**row, f"step{step}": step})
    pair.add_filter(lambda row: row["id"] != step)
    return numbers, pair, (pair | hours)

first, second = both(1), both(2)
"""

ONE_CLIENT = """
def nested(above, below):
    return rest_api_source({
        "client": {"base_url": "BASE", "paginator": "single_page"},
        "resources": [
            {"name": above, "endpoint": {"path": "days", "params": {"last": 3}}},
            {"name": below, "endpoint": {
                "path": "days", "params": {"first": f"{{resources.{above}.id}}", "last": 4}}}],
    }, name=below)

first, second = nested("one", "below_one"), nested("other", "below_other")

@dlt.source(name="shop")
def both():
    return first.below_one, second.below_other, first.one
"""

COPIES: dict[str, str] = {
    "what is read below others of two configurations of one client": ONE_CLIENT
    + """
pipeline.run(both())
pipeline.run([second.below_other, first.below_one])
""",
    "each run tells of its own": """
pipeline.run(months)
info = pipeline.run(days | hours)
found = pipeline.last_trace.last_normalize_info.row_counts
pipeline.run([{"of": k, "rows": v} for k, v in found.items() if k[0] != "_"], table_name="told")
""",
    "a source keeps what its resources were when it was made": OBJECTS
    + """
pipeline.run(second)
pipeline.run(first)
pipeline.run(numbers)
pipeline.run(pair.with_name("pairs"))
""",
    "what feeds a resource is changed until a source is made": OBJECTS
    + """
below = pair | minutes
pair.add_map(lambda row: {**row, "id": row["id"] * 10})
pipeline.run(below)
pair.add_filter(lambda row: False)
days.add_filter(lambda row: row["id"] < 4)
pipeline.run(below.with_name("copied"))
pipeline.run(days(2, 5) | hours)
""",
    "hints of a run are none of its resource": """
pipeline.run(days, write_disposition="replace", columns={"extra": {"data_type": "text"}})
pipeline.run(days)
pipeline.run([days, months], write_disposition="append")
pipeline.run(months)
whole = shop("days", "months")
pipeline.run(whole, write_disposition="replace")
pipeline.run(whole.months)
pipeline.run(whole)
""",
    "a transformer is the same wherever it stands": """
piped = days(1, 3) | hours
piped.add_map(lambda row: {**row, "nth": len(row)})
pipeline.run(piped)
hours.apply_hints(write_disposition="replace")
pipeline.run(days(2, 4) | hours)
pipeline.run(hours)

@dlt.source(name="shop")
def below():
    return days, (days | minutes).add_filter(lambda row: row["minute"] == 1)

pipeline.run(below())
minutes.apply_hints(columns={"day": {"data_type": "text"}})
pipeline.run(below())
""",
    "a function behind a decorated one is a step of it": """
def marked(row):
    return {**row, "marked": True}

def several(row):
    yield row
    yield {**row, "id": row["id"] + 10}

days | marked
pipeline.run(days)
pipeline.run(days | several | minutes)
pipeline.run(days(4, 4))
""",
    "the same is run again": """
whole = shop("days")
for _ in range(2):
    pipeline.run(whole)
    pipeline.run(days)
    pipeline.run(days | hours)
    pipeline.run(shop("months"))
    pipeline.run(shop("months"), write_disposition="replace")
    pipeline.run([{"id": 1}], table_name="rows")
pipeline.run(whole)
""",
    "a source is cloned": """
whole = shop("days", "months")
other = whole.clone(with_name="other")
other.days.add_limit(1)
other.months.add_filter(lambda row: row["id"] > 1)
whole.days.add_map(lambda row: {**row, "whole": True})
pipeline.run(other)
pipeline.run(whole)
pipeline.run(other.with_resources("months"))
""",
}
