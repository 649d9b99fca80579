"""Scripts as people write them, executed by dlt and by Penstock: the same requests and tables."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.parity.dlt import dump
from tests.parity.dlt.harness import ALL, Case, Oracle, Outcome, differences
from tests.parity.dlt.scripts import Written
from tests.parity.dlt.scripts_accounts import ACCOUNTS
from tests.parity.dlt.scripts_around import AROUND
from tests.parity.dlt.scripts_asked import ASKED
from tests.parity.dlt.scripts_auth import AUTH
from tests.parity.dlt.scripts_chosen import CHOSEN
from tests.parity.dlt.scripts_connected import CONNECTED
from tests.parity.dlt.scripts_current import CURRENT
from tests.parity.dlt.scripts_described import DESCRIBED
from tests.parity.dlt.scripts_folded import FOLDED
from tests.parity.dlt.scripts_found import FOUND
from tests.parity.dlt.scripts_handed import HANDED
from tests.parity.dlt.scripts_interval import SCHEDULED
from tests.parity.dlt.scripts_limited import LIMITED
from tests.parity.dlt.scripts_models import MODELS, MODELS_SCRIPTS, REFUSED, people
from tests.parity.dlt.scripts_moments import MOMENTS
from tests.parity.dlt.scripts_more import SCRIPTS
from tests.parity.dlt.scripts_optional import OPTIONALS
from tests.parity.dlt.scripts_order import ORDER
from tests.parity.dlt.scripts_permuted import PERMUTED
from tests.parity.dlt.scripts_played import PLAYED
from tests.parity.dlt.scripts_python import PYTHON
from tests.parity.dlt.scripts_rows import ROWS
from tests.parity.dlt.scripts_run import RUN
from tests.parity.dlt.scripts_seen import SEEN
from tests.parity.dlt.scripts_shared import SHARED
from tests.parity.dlt.scripts_signed import SIGNED
from tests.parity.dlt.scripts_states import STATES
from tests.parity.dlt.scripts_tables import TABLES
from tests.parity.dlt.scripts_usual import USUAL
from tests.parity.dlt.scripts_values import VALUES
from tests.parity.dlt.scripts_yields import YIELDS
from tests.parity.dlt.server import Stage

from penstock.engine import Options, compile_source, execute
from penstock.errors import Error
from penstock.plan.target import Target
from penstock.values import gather

# Every twelfth one, as all of them take minutes.
WRITTEN = {
    **SCRIPTS,
    **PYTHON,
    **TABLES,
    **SEEN,
    **ACCOUNTS,
    **CURRENT,
    **AROUND,
    **VALUES,
    **HANDED,
    **MODELS_SCRIPTS,
    **FOLDED,
    **AUTH,
    **RUN,
    **SIGNED,
    **CHOSEN,
    **SCHEDULED,
    **FOUND,
    **ORDER,
    **PLAYED,
    **ASKED,
    **ROWS,
    **STATES,
    **MOMENTS,
    **YIELDS,
    **LIMITED,
    **DESCRIBED,
    **OPTIONALS,
    **CONNECTED,
    **USUAL,
    **SHARED,
}
NAMES = [name for nth, name in enumerate(WRITTEN) if ALL or nth % 12 == 0]
NAMES += [name for nth, name in enumerate(PERMUTED) if ALL or nth % 74 == 0]
HEAD = """\
import os
import dlt
from dlt.sources.rest_api import rest_api_source, rest_api_resources, RESTAPIConfig

"""
TAIL = """\

if __name__ == "__main__":
    pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data")
    info = pipeline.run(SOURCE)
    print(info)
"""


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """What a script sets is gone behind it, as it is in the process of dlt."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def script(written: Written, base: str) -> str:
    """The text of a script, for an API at `base`."""
    text = HEAD + textwrap.dedent(written.text).strip() + "\n"
    if written.source:
        text += TAIL.replace("SOURCE", written.source)
    return text.replace("BASE", base)


def loaded(path: Path, folder: Path) -> tuple[dict[str, object], str]:
    """The tables and the error of one run with Penstock."""
    file = folder / "penstock.duckdb"
    compiled = compile_source(str(path))
    if compiled.source is None:
        return {}, "\n".join(f"{d.code}: {d.message}" for d in compiled.diagnostics)
    target = compiled.target or Target()
    options = Options(
        db_schema=target.db_schema,
        full_refresh=target.full_refresh,
        keep_columns=target.keep_columns,
    )
    try:
        values = gather(
            compiled.source.inputs, sets={}, config=None, environ=os.environ, folder=folder,
            source_name=compiled.name,
        )  # fmt: skip
        result = execute(compiled.source, values, str(file), options, lambda _event: None)
    except Error as exc:
        return {}, f"{exc.code}: {exc}"
    lost = [f"{f.code}: {f.message}" for r in result.receipts for f in r.failures]
    error = "\n".join(lost) or ("" if result.status == "done" else result.status)
    return dump.tables(str(file), "shop_data") if file.exists() else {}, error


@pytest.mark.parametrize("name", NAMES)
def test_a_script_loads_the_same(
    name: str,
    oracle: Oracle,
    stages: tuple[Stage, Stage],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """What dlt asks and stores in two runs of a script, Penstock asks and stores."""
    written = WRITTEN.get(name) or PERMUTED[name]
    their_stage, our_stage = stages
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    for folder, stage in ((theirs, their_stage), (ours, our_stage)):
        (folder / ".dlt").mkdir(parents=True)
        (folder / "pipeline.py").write_text(script(written, stage.base), "utf-8")
        secrets = written.secrets.replace("BASE", stage.base)
        (folder / ".dlt" / "secrets.toml").write_text(secrets, "utf-8")
        for file, text in written.files.items():
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text(text, "utf-8")
    for variable, value in written.environ.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.chdir(ours)
    their_outcomes: list[Outcome] = []
    our_outcomes: list[Outcome] = []
    for which in range(1, written.runs + 1):
        for stage in stages:
            stage.play(written.api, which)
        done = oracle.execute(theirs / "pipeline.py", settings=written.environ)
        their_outcomes.append(
            Outcome(heard=their_stage.heard, tables=done["tables"], error=done["error"])
        )
        tables, error = loaded(ours / "pipeline.py", ours)
        our_outcomes.append(Outcome(heard=our_stage.heard, tables=tables, error=error))
    case = Case(name=name, config=lambda _base: {}, law=written.law)
    assert not their_outcomes[0].error, their_outcomes[0].error
    assert differences(case, their_outcomes, our_outcomes) == []


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_a_model_fails(
    name: str, oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path
):
    """As in dlt, no row is loaded; the message names the model and what is wrong."""
    written = Written(text=MODELS, api=people, source=REFUSED[name])
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    for folder, stage in zip((theirs, ours), stages, strict=True):
        folder.mkdir()
        (folder / "pipeline.py").write_text(script(written, stage.base), "utf-8")
        stage.play(written.api, 1)
    done = oracle.execute(theirs / "pipeline.py")
    assert done["error"]
    assert "people" not in done["tables"]
    tables, error = loaded(ours / "pipeline.py", ours)
    assert error.startswith("contract-")
    assert "does not fit the model" in error
    assert not tables.get("people", {"rows": []})["rows"]
