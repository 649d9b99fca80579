"""Scripts in which it matters when a run is done, and what its functions find then."""

ENVIRONMENT = """
import os

def setting():
    return os.getenv("SETTING", "none")

@dlt.resource
def settings():
    yield {"setting": setting()}

for one in ("a", "b"):
    os.environ["SETTING"] = one
    pipeline.run(settings)
    pipeline.run([{"one": one}], table_name="ones")
del os.environ["SETTING"]
pipeline.run(settings)
"""
FILES = """
import csv
from pathlib import Path
from tempfile import TemporaryDirectory

def read(folder):
    for path in sorted(Path(folder).glob("*.csv")):
        with path.open() as file:
            yield from csv.DictReader(file)

@dlt.resource(write_disposition="replace")
def of_a_folder(folder):
    yield from read(folder)

with TemporaryDirectory() as folder:
    for nth in range(2):
        (Path(folder) / f"{nth}.csv").write_text(f"id,v\\n{nth},x\\n")
    pipeline.run(of_a_folder(folder))
for nth in range(2):
    Path("one.csv").write_text(f"id,v\\n{nth},y\\n")
    pipeline.run(read("."), table_name="read")
"""
PIPELINES = """
@dlt.resource
def told():
    yield {"of": dlt.current.pipeline().pipeline_name}

other = dlt.pipeline("other", destination="duckdb", dataset_name="shop_data")
pipeline.run(told)
other.run(told)
pipeline.run([{"of": dlt.current.pipeline().pipeline_name}], table_name="at_once")
dlt.attach("other")
pipeline.run([{"of": dlt.pipeline().pipeline_name}], table_name="attached")
pipeline.activate()
unused = dlt.pipeline("unused", destination="duckdb", dataset_name="shop_data")
pipeline.run(told)
"""
FOR_WHAT_FEEDS = """
@dlt.resource
def since(at=dlt.sources.incremental("id")):
    yield {"id": 1, "of": "a"}
    yield {"id": 2, "of": "b"}

pipeline.run(since | hours, write_disposition="replace")
"""
WITH_CURSORS = """
@dlt.source(name="shop")
def shop_of(account):
    @dlt.resource(name="events")
    def events(at=dlt.sources.incremental("id")):
        yield {"id": account, "of": account}
    return events, dlt.resource([{"id": 1}], name="same")

failed = []
for account in (3, 2, 1):
    try:
        pipeline.run(shop_of(account))
    except Exception:
        failed.append(account)
"""
DEFERRED: dict[str, str] = {
    "the environment is what it was": ENVIRONMENT,
    "files are what they were": FILES,
    "a pipeline is the active one in its run": PIPELINES,
    "a run says how what feeds its resources is written, too": FOR_WHAT_FEEDS,
}

_CAUGHT = """
failed = []

def attempt(name):
    pipeline.run(shop(name), write_disposition="replace")

for name in ("days", "missing", "months"):
    try:
        attempt(name)
    except Exception as exc:
        failed.append(f"{name}: {type(exc).__name__}")
    else:
        pipeline.run([{"name": name}], table_name="went_well")
if failed:
    pipeline.run([{"failed": failed}], table_name="told")
"""
_FALLBACK = """
try:
    try:
        pipeline.run(shop("missing"))
    finally:
        pipeline.run([{"done": 1}], table_name="finally")
except* Exception:
    pipeline.run(days)
"""
_ALONE = """
@dlt.resource
def failing(at=dlt.sources.incremental("id")):
    yield {"id": 1}
    raise ValueError("broken")

def main():
    try:
        pipeline.run(failing)
    except Exception:
        requests.get("BASE/days")

main()
"""
CAUGHT = {
    "asks for something then": _ALONE,
    "goes on without": _CAUGHT,
    "loads something else": _FALLBACK,
}
