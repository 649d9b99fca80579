"""The bundled connectors."""

import pytest

from penstock import connectors
from penstock.dialects import compile_document, load
from penstock.plan.expr import Concat, Const, Ref, Scope
from penstock.plan.slices import Duration, Window


def test_the_connectors_there_are():
    """The folder is the registry."""
    assert connectors.names() == ("chat", "dixa", "messaging")
    with pytest.raises(KeyError):
        connectors.path("nothing")


@pytest.mark.parametrize("name", connectors.names())
def test_connectors_are_clean(name):
    """A connector compiles without a word, has its name, and says what each input means."""
    found = compile_document(load(name))
    assert found.diagnostics == ()
    assert found.name == name
    assert all(value.description for value in found.need().inputs)
    assert any(value.secret for value in found.need().inputs)
    assert all(stream.hints.columns for stream in found.need().streams)
    assert connectors.describe(name).endswith(".")


def test_dixa_reads_windows():
    """The export is read in windows of as many days as the user sets, 31 unless told."""
    source = compile_document(load("dixa")).need()
    (stream,) = source.streams
    batch = Ref(at=Scope.SOURCE, path=("batch_size",))
    assert stream.cursor.window == Window(
        step=Concat(parts=(Const(value="P"), batch, Const(value="D"))),
        granularity=Duration(seconds=0.001),
    )
    assert stream.cursor.format == "%ms"
    assert [p.slot.name for p in stream.cursor.params] == ["updated_after", "updated_before"]
    assert {i.name: i.default for i in source.inputs} == {
        "api_token": None,
        "start_timestamp": None,
        "batch_size": 31,
    }


def test_messaging_has_every_stream():
    """Ten streams; conversations and messages are read once for each conversation listed."""
    source = compile_document(load("messaging")).need()
    parents = {s.name: s.partition.stream for s in source.streams if s.partition}
    assert len(source.streams) == 10
    assert parents == {
        "users_conversations": "users",
        "conversations": "users_conversations",
        "conversations_messages": "users_conversations",
    }
