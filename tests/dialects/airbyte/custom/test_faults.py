"""What is wrong with a components.py is one diagnostic, or one sentence, at its line."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tests.dialects.airbyte.custom import slices_cases
from tests.dialects.airbyte.custom.harness import Api, compiled, folder, penstock
from tests.dialects.airbyte.custom.pieces import IMPORTS, Case, custom, plain, stream

from penstock.dialects.airbyte.standin.calling import Alone
from penstock.engine.protocol.messages import failure_kind
from penstock.errors import ReadError

GOOD = """
from airbyte_cdk.sources.declarative.transformations import RecordTransformation


class Mine(RecordTransformation):
    def transform(self, record, config=None, stream_state=None, stream_slice=None):
        record["mine"] = True
"""


def manifest(**fields):
    """A manifest whose stream has one transformation that is a class."""
    given = fields or {"transformations": [custom("Transformation", "Mine")]}
    case = Case(name="", code="", streams=[stream(**given)], route=plain, expected={})
    return case.manifest()


def said(tmp_path, code, **fields):
    """The diagnostics of a components.py, as text without the folder."""
    found = compiled(folder(tmp_path, manifest(**fields), code)).diagnostics
    return [str(d).replace(f"{tmp_path}/", "") for d in found if "component" in d.code]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (
            "import os\nfrom airbyte_cdk.sources.declarative.auth import Zqx\n",
            (
                "components.py:2:1: error[airbyte-component-import]: "
                "airbyte_cdk.sources.declarative.auth.Zqx is not known to Penstock"
            ),
        ),
        (
            "from airbyte_cdk.sources.declarative.auth.token import BearerAuthentication\n",
            (
                "components.py:1:1: error[airbyte-component-import]: "
                "airbyte_cdk.sources.declarative.auth.token.BearerAuthentication is not known to "
                "Penstock (did you mean 'BearerAuthenticator'?)"
            ),
        ),
        (
            "\n\nimport airbyte_cdk.sources.declarative.extractor\n",
            (
                "components.py:3:1: error[airbyte-component-import]: "
                "airbyte_cdk.sources.declarative.extractor is not known to Penstock "
                "(did you mean 'airbyte_cdk.sources.declarative.extractors'?)"
            ),
        ),
        (
            "import airbyte_cdk\nairbyte_cdk.sources.declarative.auth.Nope\n",
            (
                "components.py:2:1: error[airbyte-component-import]: "
                "airbyte_cdk.sources.declarative.auth.Nope is not known to Penstock"
            ),
        ),
        (
            "import json\nimport no_such_package.inner\n",
            (
                "components.py:2:1: error[airbyte-component-import]: the package 'no_such_package' "
                "is not installed (pip install no_such_package)"
            ),
        ),
        (
            "from google.ads.googleads.client import GoogleAdsClient\n",
            (
                "components.py:1:1: error[airbyte-component-import]: the package 'google' "
                "is not installed (pip install google-ads)"
            ),
        ),
        (
            "def broken(:\n    pass\n",
            "components.py:1:1: error[airbyte-components]: this is no Python: invalid syntax",
        ),
        (
            "x = 1\ny = {}['z']\n",
            (
                "components.py:2:1: error[airbyte-components]: "
                "this fails when it is imported: KeyError: 'z'"
            ),
        ),
        (
            "class Mina:\n    pass\n",
            (
                "manifest.yaml:1:569: error[airbyte-component-class]: "
                "components.py has no class 'Mine' (did you mean 'Mina'?)"
            ),
        ),
        (
            "class Mine:\n    def __init__(self, config, needed): ...\n",
            (
                "components.py:1:1: error[airbyte-component-class]: Mine needs config, needed, "
                "which the manifest does not give (only fields with a type hint in the class are "
                "given)"
            ),
        ),
    ],
    ids=lambda value: value.splitlines()[-1][:40],
)
def test_a_fault_is_one_diagnostic(tmp_path, code, expected):
    """Its line is named, and what is near or to be installed; there is no traceback."""
    found = said(tmp_path, code)

    assert [text.partition("manifest.yaml:1:")[0] for text in found] == [
        expected.partition("manifest.yaml:1:")[0]
    ]
    assert found[0].partition(": ")[2] == expected.partition(": ")[2]


def test_a_file_that_many_components_name_is_spoken_of_once(tmp_path):
    """Ten classes of a file that cannot be imported are one fault."""
    many = [custom("Transformation", f"Class{i}") for i in range(10)]

    found = said(tmp_path, "import nowhere_at_all\n", transformations=many)

    assert len(found) == 1


def test_without_its_file_a_class_is_a_warning(tmp_path):
    """A manifest can be compiled where its components.py is not, and says what is missing."""
    source = compiled(folder(tmp_path, manifest(), None))

    [found] = [d for d in source.diagnostics if "component" in d.code]
    assert (found.severity, found.hint) == ("warning", "put its components.py beside the manifest")
    assert source.need().streams[0].needs == ("source_declarative_manifest.components.Mine",)


def test_a_failure_while_reading_names_its_line(tmp_path):
    """Whatever a class raises is one sentence with its line, not a traceback."""
    code = GOOD.replace('record["mine"] = True', 'record["mine"] = record["no"] + 1')
    api = Api(plain)

    with pytest.raises(ReadError) as caught:
        penstock(folder(tmp_path, manifest(), code), {"base": api.base}, ["items"])

    api.close()
    assert caught.value.code == "component-failed"
    assert str(caught.value) == "components.py:7: Mine failed: KeyError: 'no'"


def test_a_failure_with_a_message_for_the_user_gives_that(tmp_path):
    """An AirbyteTracedException is told in its own words."""
    code = GOOD.replace(
        'record["mine"] = True',
        "from airbyte_cdk.utils import AirbyteTracedException\n"
        '        raise AirbyteTracedException(internal_message="x", message="Ask your admin.")',
    )
    api = Api(plain)

    with pytest.raises(ReadError, match=r"components.py:8: Mine failed: Ask your admin\."):
        penstock(folder(tmp_path, manifest(), code), {"base": api.base}, ["items"])

    api.close()


def test_a_window_that_cannot_be_cut_further_is_refused_by_the_api(tmp_path):
    """It is time that helps, and the message says what the API said."""
    case = next(c for c in slices_cases.CASES if c.name == "retriever-that-reads-halves")
    api = Api(lambda asked: {"data": [{"refused": f"{asked.query['from']} is too much"}]})
    file = folder(tmp_path, case.manifest(), case.code)

    with pytest.raises(ReadError) as caught:
        penstock(file, {"base": api.base}, ["items"])

    api.close()
    assert "the smallest window of items there may be" in str(caught.value)
    assert "20240101 is too much" in str(caught.value)
    assert failure_kind(caught.value) == "transient_error"
    assert [asked.query["to"][-2:] for asked in api.asked] == ["07", "03", "01"]


CATCHING = """
from dataclasses import dataclass

from airbyte_cdk.sources.declarative.retrievers.simple_retriever import SimpleRetriever
from requests.exceptions import ChunkedEncodingError


@dataclass
class Catching(SimpleRetriever):
    def _read_pages(self, records_generator_fn, stream_slice):
        try:
            yield from super()._read_pages(records_generator_fn, stream_slice)
        except ChunkedEncodingError:
            yield {"id": "cut"}
"""


def test_an_answer_that_is_cut_short_is_caught_as_in_requests(tmp_path):
    """A class may know another way; it sees the error once the retries are used up."""
    handler = {"type": "DefaultErrorHandler", "max_retries": 0}
    made = stream(requester={"error_handler": handler})
    parts = {k: v for k, v in made["retriever"].items() if k != "type"}
    fields = {**made, "retriever": custom("Retriever", "Catching", **parts)}
    case = Case(name="", code=CATCHING, streams=[fields], route=plain, expected={})
    api = Api(lambda _asked: (200, {"Content-Length": "5000"}, b"{"))

    found = penstock(folder(tmp_path, case.manifest(), CATCHING), {"base": api.base}, ["items"])

    api.close()
    assert found == {"items": [{"id": "cut"}]}


def test_an_api_cannot_be_asked_on_import(tmp_path):
    """Importing a file asks nothing of anybody: a check stays offline."""
    found = said(tmp_path, "import requests\n\nrequests.get('https://api.test/token')\n" + GOOD)

    assert found == [
        (
            "components.py:3:1: error[airbyte-components]: this fails when it is imported: "
            "NoRunError: an API cannot be asked here: no stream is being read"
        )
    ]


def test_nothing_is_left_behind_for_others(tmp_path):
    """No module of another's name is in `sys.modules` afterwards, and an installed one is kept."""
    file = folder(tmp_path, manifest(), "import requests\n" + GOOD)
    installed = tmp_path / "site" / "airbyte_cdk"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("REAL = True\n", "utf-8")
    code = f"""
import sys
sys.path.insert(0, {str(installed.parent)!r})
from penstock.dialects import compile_document, load
compiled = compile_document(load({file!r}))
assert compiled.ok, compiled.diagnostics
names = {{"airbyte_cdk", "requests", "components", "source_declarative_manifest"}}
print(sorted(names & set(sys.modules)))
import airbyte_cdk
print(airbyte_cdk.REAL)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.split("\n")[:2] == ["[]", "True"]


def test_an_installed_airbyte_cdk_is_not_used(tmp_path):
    """The classes a file imports are the stand-ins, whatever is installed."""
    file = folder(tmp_path, manifest(), GOOD)
    installed = tmp_path / "site" / "airbyte_cdk"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("raise RuntimeError('imported')\n", "utf-8")
    code = f"""
import sys
sys.path.insert(0, {str(installed.parent)!r})
from penstock.dialects import compile_document, load
print(compile_document(load({file!r})).ok)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.strip() == "True"


def test_a_state_migration_is_handed_over(tmp_path):
    """The plan holds what turns an older state into the form it has now, and leaves others."""
    code = (
        IMPORTS
        + """
from airbyte_cdk.sources.declarative.migrations.state_migration import StateMigration


class Flat(StateMigration):
    def __init__(self, config: Config):
        self.field = config["field"]

    config: Config

    def should_migrate(self, stream_state: Mapping[str, Any]) -> bool:
        return "old" in stream_state

    def migrate(self, stream_state: Mapping[str, Any]) -> Mapping[str, Any]:
        return {self.field: stream_state["old"]["at"]}
"""
    )
    file = folder(tmp_path, manifest(state_migrations=[custom("StateMigration", "Flat")]), code)
    [migration] = compiled(file).need().streams[0].migrations
    door = Alone({"field": "updated"})

    assert migration.function(door, {"old": {"at": "2024"}}) == {"updated": "2024"}
    assert migration.function(door, {"updated": "2025"}) == {"updated": "2025"}


def test_a_schema_loader_is_handed_over(tmp_path):
    """The plan holds what gives the schema of a stream."""
    code = (
        IMPORTS
        + """
from airbyte_cdk.sources.declarative.schema.schema_loader import SchemaLoader


@dataclass
class Told(SchemaLoader):
    config: Config

    def get_json_schema(self) -> Mapping[str, Any]:
        return {"type": "object", "properties": {name: {} for name in self.config["names"]}}
"""
    )
    file = folder(tmp_path, manifest(schema_loader=custom("SchemaLoader", "Told")), code)
    loader = compiled(file).need().streams[0].schemas[0]

    told = loader.function(Alone({"names": ["a", "b"]}))

    assert json.dumps(told) == '{"type": "object", "properties": {"a": {}, "b": {}}}'


def test_many_slices_wait_for_one_another_without_a_deadlock(tmp_path):
    """A requester that waits for an authenticator in fifty slices finds a thread for each."""
    code = (
        IMPORTS
        + """
from airbyte_cdk.sources.declarative.auth.declarative_authenticator import DeclarativeAuthenticator
from airbyte_cdk.sources.declarative.requesters.http_requester import HttpRequester


@dataclass
class Key(DeclarativeAuthenticator):
    config: Config

    @property
    def auth_header(self):
        return "X-Key"

    @property
    def token(self):
        return requests.get(f"{self.config['base']}/key").json()["data"][0]["name"]


@dataclass
class Mine(HttpRequester):
    def get_request_params(self, *, stream_state=None, stream_slice=None, next_page_token=None):
        return {"k": stream_slice["k"]}
"""
    )
    fields = {
        "requester": {
            **custom("Requester", "Mine"),
            "url_base": "{{ config['base'] }}",
            "path": "items",
            "authenticator": custom("Authenticator", "Key"),
        },
        "retriever": {
            "partition_router": {
                "type": "ListPartitionRouter",
                "cursor_field": "k",
                "values": [str(i) for i in range(50)],
            }
        },
    }
    api = Api(plain)

    found = penstock(folder(tmp_path, manifest(**fields), code), {"base": api.base}, ["items"])

    api.close()
    assert len(found["items"]) == 100
