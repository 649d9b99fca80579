"""Scripts beside dlt: the same file, run by either, with functions of its own in the way of rows.

Run it with `python bench/scripts.py [--runs N] [--only NAME] [--records N]`. It needs an
interpreter that has dlt: this one, or the one that `PENSTOCK_DLT_PYTHON` names. dlt is tuned as in
`bench/dlt.py`. Printed are medians of CPU and wall seconds of the whole process, the peak of
memory, and the ratio dlt / Penstock.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from common import DLT, QUIET, TUNED, Measured, against, cpus, emulator, penstock, run

_END = """

if __name__ == "__main__":
    pipeline = dlt.pipeline("bench", destination="duckdb", dataset_name="loaded", pipelines_dir=".")
    pipeline.run(loaded(), loader_file_format="parquet")
"""

# Rows that a function makes, a page at a time, with a list in each; and one more for each of them.
_MADE = """
import os
import dlt


@dlt.resource(name="events")
def events():
    page = []
    for number in range(int(os.environ["RECORDS"])):
        page.append({
            "id": number, "name": f"event {number}", "score": number * 0.5, "done": number % 2 == 0,
            "at": "2024-01-01T00:00:00Z", "tags": ["a", "b"], "place": {"city": "X", "zip": "1"},
        })
        if len(page) == 1000:
            yield page
            page = []
    yield page
"""

_ROWS = """

def loaded():
    return events()
"""

_BELOW = """

@dlt.transformer(data_from=events)
def details(page):
    for row in page:
        yield {"id": row["id"], "double": row["score"] * 2}


def loaded():
    return details()
"""

# Messages of an API, each of which goes through functions of the script.
_STEPS = """
import os
import dlt
from dlt.sources.rest_api import rest_api_source


def short(message):
    message["day"] = message["timestamp"][:10]
    return message


def loaded():
    source = rest_api_source({
        "client": {
            "base_url": os.environ["URL"],
            "auth": {
                "type": "oauth2_client_credentials",
                "access_token_url": os.environ["URL"] + "/oauth/token",
                "client_id": "demo-client",
                "client_secret": "demo-secret",
            },
        },
        "resources": [{
            "name": "messages",
            "endpoint": {
                "path": "/v1/messages",
                "params": {"limit": 1000},
                "data_selector": "messages",
                "paginator": {"type": "offset", "limit": 1000, "total_path": None},
            },
            "processing_steps": [{"filter": lambda message: message["id"] != 0}],
        }],
    })
    source.messages.add_map(short)
    return source
"""

SCRIPTS = {"rows": _MADE + _ROWS, "transformer": _MADE + _BELOW, "steps": _STEPS}


def once(script: str, command: list[str]) -> Measured:
    """Run a script in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pipeline.py"
        path.write_text(script + _END)
        return run([*command, str(path)], Path(folder))


def compare(name: str, records: int, runs: int) -> None:
    """Run one script in turn by both, and print their medians and the median of the ratios."""
    mine: list[Measured] = []
    others: list[Measured] = []
    for _ in range(runs):
        mine.append(once(SCRIPTS[name], penstock("run", "--quiet")))
        others.append(once(SCRIPTS[name], [DLT]))
    against(f"{records:,} {name}", mine, others, records)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--only", default="")
    wanted = parser.parse_args()
    print(cpus())
    os.environ.update(**TUNED, **QUIET, RECORDS=str(wanted.records))
    with emulator("chat", records=wanted.records) as url:
        os.environ["URL"] = url
        for name in SCRIPTS:
            if wanted.only in name:
                compare(name, wanted.records, wanted.runs)


if __name__ == "__main__":
    main()
