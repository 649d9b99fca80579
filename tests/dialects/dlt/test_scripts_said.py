"""What is said of scripts: what dlt has and the stand-in not, what fails, and where it stands."""

from __future__ import annotations

import sys
import textwrap
from types import ModuleType

import pytest

from penstock.dialects import compile_document, load
from penstock.dialects.dlt.standin.base.references import ABSENT
from penstock.dialects.loading import Code
from penstock.errors import PlanError
from penstock.plan.hints import Column, Contract
from penstock.plan.records import Call
from penstock.plan.target import Target

HEAD = "import dlt\nfrom dlt.sources.rest_api import rest_api_source, rest_api_resources\n"
SOURCE = """\
source = rest_api_source({"client": {"base_url": "https://api.example.com/"},
                          "resources": ["users"]})
"""


def compiled(tmp_path, script, spec="pipeline.py", **kept):
    (tmp_path / "pipeline.py").write_text(HEAD + textwrap.dedent(script), "utf-8")
    return compile_document(load(str(tmp_path / spec), Code(**kept)))


def said(found):
    """Each diagnostic in a line, with its line in the script, the two of the head not counted."""
    return [
        f"{d.severity}[{d.code}] {d.place.line - 2 if d.place else 0}: {d.message}"
        for d in found.diagnostics
    ]


# A script, and everything that is said of it.
SAID = {
    "an attribute of dlt": (
        "x = dlt.foo\n" + SOURCE + "dlt.pipeline('p').run(source)",
        ["error[unsupported] 1: Penstock has no dlt.foo"],
    ),
    "another source of dlt": (
        "from dlt.sources.sql_database import sql_database\n" + SOURCE + "source.x()",
        ["error[unsupported] 1: Penstock has no dlt.sources.sql_database"],
    ),
    "a name of a module": (
        "from dlt.sources.rest_api import register_auth\n" + SOURCE + "source.select()",
        ["error[unsupported] 1: Penstock has no dlt.sources.rest_api.register_auth"],
    ),
    "a refusal that the script catches": (
        "try:\n    dlt.mcp()\nexcept Exception:\n    pass\n" + SOURCE + "source.resources",
        ["error[unsupported] 2: Penstock has no dlt.mcp"],
    ),
    "a resource that one source loads, and another reads otherwise": (
        (
            "def read(*names):\n"
            "    return rest_api_source({'client': {'base_url': 'https://a.test'}, 'resources': [\n"
            "        {'name': 'a', 'endpoint': 'a'},\n"
            "        {'name': 'b', 'endpoint': 'a/{resources.a.id}'}]}).with_resources(*names)\n"
            "dlt.pipeline('p').run([read('a').add_limit(1), read('b')])\n"
        ),
        [
            (
                "error[unsupported] 3: "
                "'a' is loaded of one source, and only read of another, in other ways"
            ),
        ],
    ),
    "functions that are not given what they take": (
        (
            "@dlt.resource\ndef a(x, *, y=1):\n    yield x\n"
            "@dlt.transformer\ndef b(row, meta, z):\n    yield row\n"
            "@dlt.transformer\ndef c():\n    yield 1\n"
            "@dlt.source\ndef shop():\n    yield a\n    yield a.with_name('unused')\n"
            "p = dlt.pipeline('p')\n"
            "p.run([shop().with_resources('a'), a(1, 2).with_name('more'),\n"
            "       a(1, z=2).with_name('other')])\n"
            "p.run([a(1).with_name('fits') | b(z=1),\n"
            "       a.with_name('below') | b.with_name('d')])\n"
            "p.run(a(1).with_name('e') | c)\n"
        ),
        [
            "error[function-arguments] 15: a(): missing a required argument: 'x'",
            "error[function-arguments] 15: a(): too many positional arguments",
            "error[function-arguments] 16: a(): got an unexpected keyword argument 'z'",
            "error[function-arguments] 17: a(): missing a required argument: 'x'",
            "error[function-arguments] 18: b(): missing a required argument: 'z'",
            "error[function-arguments] 19: c(): too many positional arguments",
        ],
    ),
    "a transformer": (
        "@dlt.transformer(data_from=None)\ndef details(user):\n    yield user\n",
        [("error[unsupported] 1: the transformer 'details' has no resource to take items from")],
    ),
    "a pipe into no transformer": (
        "@dlt.resource\ndef users():\n    yield {'id': 1}\ndlt.run(users | users)\n",
        ["error[unsupported] 4: only a transformer can stand behind |"],
    ),
    "an error of its own": (
        "def made():\n    raise ValueError('no such thing')\nsource = rest_api_source(made())\n",
        ["error[script-failed] 2: the script failed: ValueError: no such thing"],
    ),
    "what was copied once, and is not there": (
        "from rest_api import rest_api_source\nsource = rest_api_source(dict([]))\n",
        ["error[module-missing] 1: the script needs the module 'rest_api', which is not installed"],
    ),
    "an import that is tried twice": (
        (
            "try:\n    from dlt.sources.sql_database import sql_table\nexcept ImportError:\n"
            "    sql_table = None\nfor again in (1, 2):\n"
            "    try:\n        import dlt.dbt\n    except ImportError:\n        pass\n"
            "source = rest_api_source({'client': {'base_url': 'https://a.test'},"
            " 'resources': ['a']})\n"
        ),
        [
            "error[unsupported] 2: Penstock has no dlt.sources.sql_database",
            "error[unsupported] 7: Penstock has no dlt.dbt",
        ],
    ),
    "a value that is no list": (
        (
            "dlt.config['keys'] = 'a,b'\n"
            "def made(keys: list[str] = dlt.config.value):\n"
            "    return {'client': {'base_url': 'https://a.test'}, 'resources': keys}\n"
            "@dlt.source\n"
            "def shop(keys: list[str] = dlt.config.value):\n"
            "    yield from rest_api_resources(made(keys))\n"
            "source = shop()\n"
        ),
        [
            (
                "error[value-invalid] 7: the value of 'keys' is declared as a list in JSON, as "
                '["a", "b"], and reads as none'
            )
        ],
    ),
    "a module that is not installed": (
        "import no_such_library.part\nsource = rest_api_source(no_such_library.config())\n",
        [
            (
                "error[module-missing] 1: the script needs the module 'no_such_library', "
                "which is not installed"
            )
        ],
    ),
    "a paginator without a method": (
        (
            "from dlt.sources.helpers.rest_client.paginators import BasePaginator\n"
            "class Mine(BasePaginator):\n"
            "    def update_request(self, request):\n"
            "        request.params = {}\n"
            "def client():\n"
            "    return {'base_url': 'https://a.example.com', 'paginator': Mine()}\n"
            "source = rest_api_source({'client': client(), 'resources': ['a']})\n"
        ),
        [
            (
                "error[unsupported] 3: the paginator Mine has its own update_request (line 5), "
                "and no update_state"
            )
        ],
    ),
    "an auth without a method": (
        (
            "from dlt.sources.helpers.rest_client.auth import AuthConfigBase\n"
            "class Signed(AuthConfigBase):\n"
            "    def sign(self, request):\n"
            "        return request\n"
            "def client():\n"
            "    return {'base_url': 'https://a.example.com', 'auth': Signed()}\n"
            "source = rest_api_source({'client': client(), 'resources': ['a']})\n"
        ),
        ["error[unsupported] 3: the auth Signed has its own sign (line 5), and no __call__"],
    ),
    "a value that is computed with": (
        "days = int(dlt.config['days']) + 1\n" + SOURCE.replace('"users"', "f'd{days}'"),
        [
            (
                "error[value-missing] 1: the script computes with the value of 'days', "
                "which is not known"
            )
        ],
    ),
    "a resource that is not there": (
        SOURCE + "source.resources['user'].apply_hints(table_name='x')\n",
        ["error[unsupported] 3: the source has no resource 'user'"],
    ),
    "a key that is not known, in a loop": (
        (
            "resources = []\nfor n in 'ab':\n"
            "    resources.append({'name': n, 'endpont': n})\n"
            "source = rest_api_source({'client': {'base_url': ''}, 'resources': resources})\n"
        ),
        ["error[unknown-key] 3: a resource has no key 'endpont'"],
    ),
    "a key set later": (
        (
            "config = {'client': {'base_url': ''}}\nconfig['resources'] = ['a']\n"
            "config['resource_default'] = {}\nsource = rest_api_source(config)\n"
        ),
        ["error[unknown-key] 3: the configuration has no key 'resource_default'"],
    ),
    "rows that are asked for": (
        SOURCE + "p = dlt.pipeline('p', destination='duckdb')\nprint(p.run(source))\n"
        "print(p.dataset().users.df())\n",
        [
            (
                "warning[script-unfinished] 5: "
                "pipeline.dataset is asked before anything is loaded; "
                "the rest of the script was not executed"
            )
        ],
    ),
    "a destination that is not known": (
        SOURCE + "dlt.pipeline('p', destination='bigquery').run(source)\n",
        ["warning[gap] 3: the script's destination 'bigquery' is none that is known here"],
    ),
    "several pipelines": (
        SOURCE + "dlt.pipeline('p').run(source)\ndlt.pipeline('q').run(source)\n",
        ["warning[several-sources] 4: the script builds several sources; the first one is taken"],
    ),
    "a connection that is looked at": (
        (
            "from dlt.sources.rest_api import check_connection\n"
            + SOURCE
            + "assert check_connection(source, 'users') == (True, '')\n"
            "dlt.pipeline('p', destination='duckdb').run(source)\n"
        ),
        ["warning[gap] 4: check_connection asks nothing"],
    ),
    "a text that is computed with": (
        "import base64\nkey = 'Basic {}'.format(dlt.secrets['k'])\nx = key.encode()\n",
        [("error[value-missing] 3: the script computes with the value of 'k', which is not known")],
    ),
    "one resource in two ways": (
        (
            "def api(size):\n    return rest_api_source({'client': {'base_url': 'https://a.test'},"
            " 'resources': [{\n        'name': 'a', 'endpoint': {'data_selector': f'n{size}'}}]})\n"
            "dlt.pipeline('p', destination='duckdb').run([api(1), api(22)])\n"
        ),
        ["error[duplicate-name] 2: the script makes 'a' several times, with another path"],
    ),
    "two of one name in one configuration": (
        (
            "def api(*names):\n    return rest_api_source({'client': {'base_url': 'https://a.test'},"
            " 'resources': [\n        {'name': 'a'},\n        {'name': 'a', 'selected': 'no'}]})\n"
            "api()\n"
        ),
        ["error[duplicate-name] 4: there are two resources called 'a'"],
    ),
    "a state outside of a run": (
        "dlt.current.source_state()['n'] = 1\n",
        [
            (
                "error[unsupported] 1: dlt.current.source_state is asked while the script is "
                "executed, and no state is known"
            )
        ],
    ),
    "a state of a source where nothing is loaded": (
        (
            "@dlt.source\ndef api():\n    dlt.current.source_state().get('n')\n"
            "    yield dlt.resource([{'a': 1}], name='a')\n"
            "dlt.pipeline('p', dataset_name='d').run(api())\n"
        ),
        [
            (
                "warning[gap] 3: no state is known while nothing is loaded: the source is made as "
                "in a first run"
            )
        ],
    ),
    "more of dlt.current": (
        "x = dlt.current.source_schema()\n",
        ["error[unsupported] 1: dlt.current.source_schema is asked outside of a source"],
    ),
    "more of a schema": (
        "@dlt.source\ndef a():\n    dlt.current.source_schema().references\n    return []\na()\n",
        ["error[unsupported] 3: Penstock has no dlt.current.source_schema().references"],
    ),
    "tables of a source behind its run": (
        (
            "@dlt.resource\ndef rows():\n    yield {'a': 1}\n"
            "made = dlt.source(lambda: rows, name='a')()\ndlt.pipeline('p').run(made)\n"
            "print(made.schema.tables)\n"
        ),
        ["error[unsupported] 6: Penstock has no DltSource.schema.tables behind a run"],
    ),
    "a dataset whose place nobody says": (
        "dlt.dataset('duckdb', 'shop_data').tables\n",
        ["error[unsupported] 1: Penstock has no dlt.dataset of a destination without a place"],
    ),
    "what needs a licence of dltHub": (
        "from dlt.hub import data_quality\ndata_quality.checks\n",
        ["error[unsupported] 1: Penstock has no dlt.hub.data_quality"],
    ),
    "what there is not in dlt.current": (
        "x = dlt.current.load_package()\n",
        ["error[unsupported] 1: Penstock has no dlt.current.load_package"],
    ),
    "functions as hints": (
        (
            "def made():\n    return {'client': {'base_url': ''}, 'resources': [{\n"
            "        'name': 'a', 'primary_key': lambda item: item['kind'],\n"
            "        'endpoint': {'response_actions': [print]}}]}\n"
            "source = rest_api_source(made())\n"
        ),
        [("error[unsupported] 3: primary_key is a function of each item, but table_name is none")],
    ),
    "a client that asks at once": (
        (
            "from dlt.sources.helpers.rest_client import RESTClient\n"
            "client = RESTClient('https://a.example.com')\n"
            "rows = list(client.paginate('users'))\n"
        ),
        [
            (
                "error[unsupported] 3: an API is asked while the script is executed; "
                "Penstock reads when a run begins"
            )
        ],
    ),
    "rows without a table": (
        "p = dlt.pipeline('p', destination='duckdb')\np.run([{'id': 1}])\n",
        ["error[unsupported] 2: a run is given rows, and nothing names their table"],
    ),
    "something that holds no rows": (
        "p = dlt.pipeline('p', destination='duckdb')\np.run(7, table_name='x')\n",
        ["error[unsupported] 2: a run is given int, which holds no rows"],
    ),
    "nothing": ("x = dlt.secrets['a']\n", ["error[no-source] -1: this script builds no source"]),
}


@pytest.mark.parametrize("case", SAID)
def test_a_script_is_told_of_in_one_line_each(tmp_path, case):
    """What cannot be had is one diagnostic that names it and its line, never a traceback."""
    script, expected = SAID[case]
    assert said(compiled(tmp_path, script)) == expected


def test_nothing_of_the_stand_in_stays(tmp_path):
    """Afterwards the modules, the path and the arguments are as they were, also after a failure."""
    (tmp_path / "beside_the_script.py").write_text("import dlt\nNAMES = ['users']\n")
    before = (dict(sys.modules), list(sys.path), list(sys.argv), list(sys.meta_path))
    script = "from beside_the_script import NAMES\nimport dlt.nothing\n"
    assert compiled(tmp_path, script).source is None
    now = {n: m for n, m in sys.modules.items() if not n.startswith("penstock")}
    assert {n for n in now if n not in before[0] and ("dlt" in n or "beside" in n)} == set()
    assert now["__main__"] is before[0]["__main__"]
    assert (sys.path, sys.argv, sys.meta_path) == before[1:]


def test_a_dlt_that_was_imported_before_comes_back(tmp_path, monkeypatch):
    """A process that has dlt loaded finds its own again."""
    own = ModuleType("dlt")
    monkeypatch.setitem(sys.modules, "dlt", own)
    assert compiled(tmp_path, SOURCE + "dlt.pipeline('p').run(source)").ok
    assert sys.modules["dlt"] is own


def test_places_in_a_file_beside_the_script_are_its_own(tmp_path):
    """What is wrong in a module that the script imports is shown there."""
    (tmp_path / "my_resources_beside.py").write_text("def made():\n    return {'nam': 'users'}\n")
    found = compiled(
        tmp_path,
        "from my_resources_beside import made\n"
        "source = rest_api_source({'client': {'base_url': ''}, 'resources': [made()]})\n",
    )
    place = found.diagnostics[0].place
    assert (place.file, place.line) == (str(tmp_path / "my_resources_beside.py"), 2)


RUN = "dlt.pipeline('p', destination={0}, dataset_name='d').run(source{1})\n"


@pytest.mark.parametrize(
    ("script", "target"),
    [
        (
            RUN.format("'duckdb'", ""),
            Target(destination="p.duckdb", db_schema="d"),
        ),
        (
            RUN.format("dlt.destinations.duckdb('x/y.duckdb')", ", refresh='drop_data'"),
            Target(destination="x/y.duckdb", db_schema="d", full_refresh=True, keep_columns=True),
        ),
        (
            RUN.format("dlt.destinations.filesystem('file:///data')", ""),
            Target(destination="parquet:/data", db_schema="d"),
        ),
        (
            RUN.format("None", ", destination='postgres', credentials='postgresql://u@h/d'"),
            Target(destination="postgresql://u@h/d", db_schema="d"),
        ),
        (
            RUN.format("dlt.destinations.duckdb(destination_name='shelf')", ""),
            Target(destination="shelf.duckdb", db_schema="d"),
        ),
        (
            RUN.format("dlt.destination('shelf', destination_type='duckdb')", ""),
            Target(destination="shelf.duckdb", db_schema="d"),
        ),
        ("dlt.run(source)\n", Target(db_schema="dlt_pipeline_dataset")),
        (
            "dlt.pipeline('GitHub-load', destination='duckdb').run(source)\n",
            Target(destination="GitHub-load.duckdb", db_schema="git_hub_load_dataset"),
        ),
    ],
)
def test_a_run_names_its_destination(tmp_path, script, target):
    """What a script's own run says of its destination is where a run of Penstock goes."""
    assert compiled(tmp_path, SOURCE + script).target == target


def test_a_destination_of_the_settings_goes_by_its_name(tmp_path):
    """What a setting says of a destination is found, and its file is called after it."""
    said_there = {"destination.shelf.destination_type": "dlt.destinations.duckdb"}
    script = SOURCE + RUN.format("'shelf'", "")
    found = compiled(tmp_path, script, lookup=lambda name: said_there.get(name, ABSENT))
    assert found.target == Target(destination="shelf.duckdb", db_schema="d")


def test_a_limit_below_another_resource_is_told(tmp_path):
    """What is read below another has no limit, as in dlt, and a warning says so."""
    script = """\
    source = rest_api_source({"client": {"base_url": ""}, "resources": [
        "users", {"name": "notes", "endpoint": "users/{resources.users.id}/notes"}]}).add_limit(2)
    """
    found = compiled(tmp_path, script)
    assert said(found) == [
        "warning[gap] 2: add_limit changes nothing for 'notes', which is read below another"
    ]
    users, notes = found.need().streams
    assert (users.most is None, notes.most) == (False, None)


def test_a_function_or_a_pipeline_of_a_script_can_be_named(tmp_path):
    """`pipeline.py:name` takes that of several."""
    script = (
        "def config(*names):\n"
        "    return {'client': {'base_url': ''}, 'resources': list(names)}\n"
        "@dlt.source\ndef a():\n    return rest_api_resources(config('one'))\n"
        "@dlt.source\ndef b():\n    return rest_api_resources(config('two'))\n"
        "if __name__ == '__main__':\n"
        "    dlt.pipeline('first').run(a())\n    dlt.pipeline('second').run(b())\n"
    )
    names = {
        spec: compiled(tmp_path, script, f"pipeline.py:{spec}").need().streams[0].name
        for spec in ("a", "b", "first", "second")
    }
    assert names == {"a": "one", "b": "two", "first": "one", "second": "two"}
    found = compiled(tmp_path, script, "pipeline.py:secnd")
    assert found.diagnostics[0].message == "the script has no attribute 'secnd'"
    assert found.diagnostics[0].hint == "did you mean pipeline.py:second?"


def test_code_inside_a_text_is_executed_only_where_that_is_allowed(tmp_path):
    """A Markdown page is somebody else's until the user says that its code may run."""
    page = tmp_path / "page.md"
    page.write_text(
        "# How to\n\n```python\nfrom dlt.sources.rest_api import rest_api_source\n"
        "names = [n for n in ('a', 'b')]\n"
        "rest_api_source({'client': {'base_url': ''}, 'resources': names, 'x': 1})\n```\n"
    )
    careful = compile_document(load(str(page), Code()))
    assert {d.code for d in careful.diagnostics} >= {"python-value"}
    allowed = compile_document(load(str(page), Code(inside_text=True)))
    assert [(d.code, d.place.line) for d in allowed.diagnostics] == [("unknown-key", 6)]


def test_a_plain_script_is_not_executed(tmp_path):
    """What the text alone says needs no execution."""
    found = compiled(tmp_path, SOURCE + "raise SystemExit(9)\n")
    assert found.ok
    assert found.diagnostics == ()


def test_all_pipelines_of_a_script_are_checked(tmp_path):
    """Where all of it is wanted nothing is passed over, and what is wrong is told of each."""
    script = """
        def source(kind):
            return rest_api_source({"client": {"base_url": "https://a.test", "auth": kind},
                                    "resources": ["users"]})
        dlt.pipeline("p").run(source(None))
        dlt.pipeline("q").run(source({"type": "bearr"}))
        dlt.pipeline("p").run(source({"type": "basik"}))
        dlt.pipeline("r").run(source({"type": "bearr"}))
    """
    only = said(compiled(tmp_path, script))
    assert [line for line in only if line.startswith("error")] == [
        "error[unknown-value] 7: there is no auth 'basik'"
    ]
    told = said(compiled(tmp_path, script, whole=True))
    assert sorted(told) == [
        "error[unknown-value] 6: there is no auth 'bearr'",
        "error[unknown-value] 7: there is no auth 'basik'",
        "error[unknown-value] 8: there is no auth 'bearr'",
    ]


def test_what_a_script_prints_leaves_stdout_alone(tmp_path, capsys):
    """Stdout is for data; what a script says goes to people."""
    assert compiled(tmp_path, SOURCE + "print('hello')\ndlt.run(source)\n").ok
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "hello\n")


def test_a_script_prints_values_and_no_secrets(tmp_path, capsys):
    """What nobody has said goes by its name; the marks that stand for values are never shown."""
    script = (
        "token, days = dlt.secrets['token'], dlt.config['days']\n"
        "print(token, f'{days} days in', dlt.config['region'])\n"
        "raise ValueError(f'no such region {dlt.config[\"region\"]}, {days} days')\n"
    )
    known = {"token": "not-to-be-shown", "days": 3}
    found = compiled(tmp_path, script, lookup=lambda name: known.get(name, ABSENT))
    assert capsys.readouterr().err == '*** 3 days in dlt.config["region"]\n'
    (failed,) = found.diagnostics
    assert failed.message.endswith('no such region dlt.config["region"], 3 days')


def test_processing_steps_added_to_a_resource_come_after_its_own(tmp_path):
    """`add_map` and its like are steps of the plan, and still run when the script is gone."""
    script = (
        SOURCE + "source.users.add_filter(lambda r: r['id'] > 1)\n"
        "source.users.add_map(lambda r: {**r, 'seen': True})\n"
    )
    steps = compiled(tmp_path, script).need().streams[0].records.steps
    assert [(type(s), s.does) for s in steps] == [(Call, "filter"), (Call, "map")]
    made = steps[1].function({"id": 2})
    assert made == {"id": 2, "seen": True}
    assert type(made) is dict


def test_a_model_declares_columns(tmp_path):
    """A class that looks like a pydantic model gives columns and the contract that dlt gives."""
    script = """
        import datetime, enum, typing
        class Field:
            def __init__(self, annotation, alias=None):
                self.annotation, self.alias = annotation, alias
        class Kind(str, enum.Enum):
            A = "a"
        class User:
            model_config = {"extra": "forbid"}
            model_fields = {
                "id": Field(int), "at": Field(datetime.datetime | None), "tags": Field(list[str]),
                "kind": Field(Kind, alias="theKind"), "any": Field(typing.Any),
            }
        source = rest_api_source({"client": {"base_url": ""},
                                  "resources": [{"name": "users", "columns": User}]})
        dlt.run(source)
    """
    hints = compiled(tmp_path, script).need().streams[0].hints
    assert hints.columns == (
        Column(name="id", type="bigint", nullable=False),
        Column(name="at", type="timestamp"),
        Column(name="tags", type="json", nullable=False),
        Column(name="theKind", type="text", nullable=False),
    )
    assert hints.contract == Contract(columns="freeze", data_type="freeze")


def test_environment_variables_are_inputs(tmp_path, monkeypatch):
    """A variable that the script reads stays out of the plan, set or not, also inside a text."""
    monkeypatch.setenv("API_TOKEN_OF_TEST", "abcdefgh12345")
    script = """
        import os
        def client():
            return {"base_url": "https://a.example.com", "headers": {
                "A": os.environ["API_TOKEN_OF_TEST"],
                "B": f"Bearer {os.environ['API_TOKEN_OF_TEST']}",
                "C": os.environ["NOT_SET_IN_TEST"],
            }}
        source = rest_api_source({"client": client(), "resources": ["users"]})
    """
    source = compiled(tmp_path, script).need()
    assert [i.name for i in source.inputs] == ["API_TOKEN_OF_TEST", "NOT_SET_IN_TEST"]
    assert "abcdefgh12345" not in repr(source)


def test_a_module_attribute_can_be_a_decorated_source(tmp_path, monkeypatch):
    """`module:function` finds what a module decorates, with the stand-in in place of dlt."""
    (tmp_path / "my_decorated_sources.py").write_text(
        HEAD + "@dlt.source\ndef api():\n"
        "    config = {'client': {'base_url': ''}, 'resources': ['a']}\n"
        "    return rest_api_resources(config)\n"
    )
    monkeypatch.chdir(tmp_path)
    found = compile_document(load("my_decorated_sources:api"))
    assert [s.name for s in found.need().streams] == ["a"]
    assert "my_decorated_sources" not in sys.modules
    with pytest.raises(PlanError, match="has no attribute 'apis'"):
        load("my_decorated_sources:apis")
