"""Every destination of the registry, empty, one after the other."""

import pytest
from tests.destinations.places import PLACES, Opener

from penstock.destinations import describe


@pytest.fixture(params=[kind.name for kind in describe()])
def place(request, tmp_path):
    """An empty destination of each kind there is."""
    return PLACES[request.param](tmp_path)


@pytest.fixture
def opened(place):
    """Opens sessions on `place`."""
    opener = Opener(place)
    yield opener
    opener.close()
