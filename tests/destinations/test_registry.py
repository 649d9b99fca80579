"""The registry: which destination a URL or a path names."""

import subprocess
import sys

import pytest
from tests.destinations.conformance import FEATURES, NEVER
from tests.destinations.places import PLACES

from penstock.destinations import describe, open_destination
from penstock.errors import DestinationError


def test_every_destination_is_in_the_conformance_suite():
    """A destination that the registry finds is put through the whole suite."""
    assert {kind.name for kind in describe()} == set(PLACES)


def test_every_destination_describes_itself():
    """Docs and errors can say what a destination is and how it is written."""
    for kind in describe():
        assert kind.summary
        assert kind.urls
        assert kind.faults
        assert kind.schemes or kind.extensions


def test_urls_lead_to_the_destination_they_document(tmp_path, monkeypatch):
    """Each form that a destination shows is one it answers to."""
    monkeypatch.chdir(tmp_path)
    for kind in describe():
        for url in kind.urls:
            assert open_destination(url).url == url
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "what", "near"),
    [
        ("chat.duckdbb", "a path that ends in '.duckdbb'", "did you mean '.duckdb'? "),
        ("dukdb:///chat", "the scheme 'dukdb'", "did you mean 'duckdb'? "),
        ("bigtable://user:secret@host/x", "the scheme 'bigtable'", ""),
        ("chat", "a path without an extension", ""),
    ],
)
def test_unknown_destination_lists_the_known_ones(url, what, near):
    """An unknown URL is told what there is and what is nearest, and is not repeated itself."""
    with pytest.raises(DestinationError) as caught:
        open_destination(url)
    assert str(caught.value).startswith(
        f"no destination answers to {what} ({near}known are delta: delta:lake, "
    )
    assert "secret" not in str(caught.value)


def test_looking_up_needs_no_driver():
    """Finding a destination imports neither its driver nor pyarrow."""
    code = (
        "import sys; from penstock.destinations import *; open_destination('x.duckdb'); "
        "print(sorted({'duckdb', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_mark_names_a_feature_of_a_destination():
    """A `never` of the conformance table is about something that is there."""
    names = {kind.name for kind in describe()}
    for kind, feature in NEVER:
        assert kind in names
        assert feature in FEATURES
