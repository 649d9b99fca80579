"""Classes that take part in jobs: what asks, what tells how a job is doing, what takes its rows."""

from __future__ import annotations

from typing import Any

from tests.dialects.airbyte.custom.pieces import IMPORTS, Case, custom, requester, stream

CODE = (
    IMPORTS
    + """
from airbyte_cdk.sources.declarative.extractors.dpath_extractor import DpathExtractor
from airbyte_cdk.sources.declarative.extractors.record_extractor import RecordExtractor
from airbyte_cdk.sources.declarative.requesters.http_requester import HttpRequester


@dataclass
class Asks(HttpRequester):
    def get_request_headers(self, *, stream_state=None, stream_slice=None, next_page_token=None):
        return {"X-Own": "yes"}


@dataclass
class Status(RecordExtractor):
    config: Config

    def extract_records(self, response: requests.Response) -> Iterable[Any]:
        yield response.json()["state"]["word"].lower()


@dataclass
class Files(RecordExtractor):
    config: Config

    def extract_records(self, response: requests.Response) -> Iterable[Any]:
        for part in response.json()["parts"]:
            yield self.config["base"] + "/file/" + part


@dataclass
class Rows(RecordExtractor):
    config: Config

    def extract_records(self, response: requests.Response) -> Iterable[Any]:
        for line in response.text.splitlines():
            ident, name = line.split("=")
            yield {"id": int(ident), "name": name}
"""
)


def _job(**parts: Any) -> dict[str, Any]:
    made = stream()
    made["retriever"] = {
        "type": "AsyncRetriever",
        "record_selector": made["retriever"]["record_selector"],
        "status_mapping": {
            "running": ["busy"],
            "completed": ["done"],
            "failed": ["bad"],
            "timeout": ["late"],
        },
        "status_extractor": custom("RecordExtractor", "Status"),
        "download_target_extractor": custom("RecordExtractor", "Files"),
        "download_extractor": custom("RecordExtractor", "Rows"),
        "creation_requester": requester(path="jobs", http_method="POST"),
        "polling_requester": requester(path="jobs/{{ creation_response['id'] }}"),
        "download_requester": {
            "type": "HttpRequester",
            "url_base": "{{ download_target }}",
            "http_method": "GET",
        },
        **parts,
    }
    return made


def _jobs(asked: Any) -> Any:
    if asked.path == "/jobs":
        return {"id": 7}
    if asked.path.startswith("/jobs/"):
        return {"state": {"word": "DONE"}, "parts": ["a", "b"]}
    return b"1=one\n2=two" if asked.path.endswith("a") else b"3=three"


ROWS = [{"id": i, "name": n} for i, n in ((1, "one"), (2, "two"), (3, "three"))]
CASES = [
    Case(
        name="job-with-extractors",
        code=CODE,
        streams=[_job()],
        route=_jobs,
        expected={"items": ROWS},
    ),
    Case(
        name="job-with-a-requester",
        code=CODE,
        streams=[
            _job(
                creation_requester={
                    **requester(path="jobs", http_method="POST"),
                    **custom("Requester", "Asks"),
                }
            )
        ],
        route=_jobs,
        expected={"items": ROWS},
    ),
]
