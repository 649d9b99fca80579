"""Classes in the style of real connectors, run by Penstock and by airbyte-cdk."""

from __future__ import annotations

import pytest
from tests.dialects.airbyte.custom import jobs_cases, records_cases, requests_cases, slices_cases
from tests.dialects.airbyte.custom.harness import (
    Api,
    Oracle,
    compiled,
    folder,
    interpreter,
    penstock,
    unordered,
)

CASES = [*jobs_cases.CASES, *records_cases.CASES, *requests_cases.CASES, *slices_cases.CASES]


@pytest.fixture(scope="session")
def oracle():
    """Airbyte-cdk, where some interpreter has it."""
    python = interpreter()
    if python is None:
        pytest.skip("no interpreter has airbyte-cdk: PENSTOCK_CDK_PYTHON names none")
    made = Oracle(python)
    yield made
    made.close()


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request):
    """One of the cases."""
    return request.param


@pytest.fixture
def api(case):
    """The API of a case."""
    made = Api(case.route)
    yield made
    made.close()


def test_a_class_takes_part_as_it_says(case, api, tmp_path):
    """Without airbyte-cdk, a stream with classes of its own gives the records it should."""
    file = folder(tmp_path, case.manifest(), case.code)

    found = penstock(file, {"base": api.base, **case.config}, case.expected)

    assert {n: unordered(r) for n, r in found.items()} == {
        n: unordered(r) for n, r in case.expected.items()
    }


def test_both_engines_agree(case, api, tmp_path, oracle):
    """The same requests and the same records as airbyte-cdk."""
    file = folder(tmp_path, case.manifest(), case.code)
    config = {"base": api.base, **case.config}
    found = penstock(file, config, case.expected)
    asked = api.seen()

    theirs = oracle.read(
        manifest=case.manifest(), config=config, code=case.code, only=list(case.expected)
    )

    assert theirs["error"] is None
    assert {n: unordered(r) for n, r in found.items()} == {
        n: unordered(r) for n, r in theirs["records"].items()
    }
    if case.same_requests:
        assert asked == api.seen()


def test_a_class_is_compiled_without_a_word(case, tmp_path):
    """A class that is beside the manifest is imported and checked offline, and nothing is wrong."""
    file = folder(tmp_path, case.manifest(), case.code)

    found = compiled(file).diagnostics

    assert [str(d) for d in found if d.severity == "error" or "component" in d.code] == []
