"""Every destination of the registry, empty, one after the other."""

import pytest
from tests.destinations.lake_places import S3Place
from tests.destinations.places import PLACES, Opener
from tests.destinations.s3_server import environment

from penstock.destinations import describe


@pytest.fixture(params=[kind.name for kind in describe()])
def place(request, tmp_path, monkeypatch):
    """An empty destination of each kind there is; `s3` is an object store that holds Parquet."""
    if request.param != "s3":
        return PLACES[request.param](tmp_path)
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    return S3Place(tmp_path)


@pytest.fixture
def opened(place):
    """Opens sessions on `place`."""
    opener = Opener(place)
    yield opener
    opener.close()
