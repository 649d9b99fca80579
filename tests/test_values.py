"""Where values come from: the order of places, dlt's names, files, and what is said of gaps."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.errors import PlanError
from penstock.plan.expr import spelled
from penstock.plan.source import Input
from penstock.values import gather, lookup_env_names, parse_dotenv, remarks, secrets

KEY = Input(name="api_key", secret=True, description="the key")


@pytest.fixture
def find(tmp_path):
    """Gathers values for inputs from an empty folder."""

    def _find(*inputs, sets=None, config=None, environ=None, source_name="chat"):
        return gather(
            inputs or (KEY,),
            sets=sets or {},
            config=config,
            environ=environ or {},
            folder=tmp_path,
            source_name=source_name,
        )

    return _find


def _write(folder, name, text):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_places_are_asked_in_order(find, tmp_path):
    """What is given for the run wins over the environment, that over files, those over defaults."""
    optional = Input(name="api_key", default="default")
    assert find(optional) == {"api_key": "default"}
    _write(tmp_path, ".dlt/config.toml", 'api_key = "dlt config"')
    assert find(optional) == {"api_key": "dlt config"}
    _write(tmp_path, ".dlt/secrets.toml", 'api_key = "dlt secrets"')
    assert find(optional) == {"api_key": "dlt secrets"}
    _write(tmp_path, "secrets.toml", 'api_key = "secrets"')
    assert find(optional) == {"api_key": "secrets"}
    _write(tmp_path, ".env", "API_KEY=dotenv")
    assert find(optional) == {"api_key": "dotenv"}
    assert find(optional, environ={"API_KEY": "env"}) == {"api_key": "env"}
    config = {"api_key": "config"}
    assert find(optional, environ={"API_KEY": "env"}, config=config) == config
    assert find(optional, config=config, sets={"api_key": "set"}) == {"api_key": "set"}


def test_environment_names_are_dlts_own(find):
    """The narrowest name wins, and every name dlt would look at is looked at."""
    names = lookup_env_names("api_key", "my-chat")
    assert names == (
        "PENSTOCK__API_KEY",
        "SOURCES__REST_API__MY_CHAT__API_KEY",
        "SOURCES__REST_API__API_KEY",
        "SOURCES__MY_CHAT__API_KEY",
        "SOURCES__API_KEY",
        "API_KEY",
    )
    environ = {name: name for name in names}
    for name in names:
        assert find(environ=environ, source_name="my-chat") == {"api_key": name}
        del environ[name]


def test_an_empty_variable_is_not_set(find):
    """A variable that was declared but not filled in does not hide the next place."""
    assert find(environ={"PENSTOCK__API_KEY": "", "API_KEY": "x"}) == {"api_key": "x"}


@pytest.mark.parametrize(
    "text",
    [
        '[sources.chat]\napi_key = "x"',
        '[sources.rest_api.chat]\napi_key = "x"',
        '[sources.rest_api]\napi_key = "x"',
        '[sources]\napi_key = "x"',
        'api_key = "x"',
    ],
)
def test_toml_sections_are_dlts_own(find, tmp_path, text):
    """A TOML file may hold the value in any section dlt would look into."""
    _write(tmp_path, ".dlt/secrets.toml", text)
    assert find() == {"api_key": "x"}


def test_other_names_come_first_in_each_place(find, tmp_path):
    """A credential is looked for below the others of its kind, then as one text, then plainly."""
    token = Input(name="token", before=("credentials.token", "credentials"), secret=True)
    _write(tmp_path, ".dlt/secrets.toml", 'token = "plain"')
    assert find(token) == {"token": "plain"}
    _write(tmp_path, ".dlt/secrets.toml", 'token = "plain"\ncredentials = "text"')
    assert find(token) == {"token": "text"}
    table = '[sources.chat.credentials]\ntoken = "below"\n[credentials]\npassword = "other"'
    _write(tmp_path, ".dlt/secrets.toml", table)
    assert find(token) == {"token": "below"}
    _write(tmp_path, ".dlt/secrets.toml", '[credentials]\npassword = "other"')
    with pytest.raises(PlanError, match="SOURCES__CHAT__CREDENTIALS__TOKEN"):
        find(token)
    environ = {"TOKEN": "env", "CREDENTIALS__TOKEN": "wide"}
    assert find(token, environ=environ) == {"token": "wide"}
    narrow = {**environ, "SOURCES__CHAT__CREDENTIALS__TOKEN": "narrow"}
    assert find(token, environ=narrow) == {"token": "narrow"}
    assert find(token, environ=narrow, sets={"token": "set"})["token"] == "set"
    assert find(token, environ=narrow, sets={"credentials.token": "dotted"})["token"] == "dotted"
    assert not remarks((token,), {"token": "x"}, {"credentials.token": "x"})


def test_dotted_names_look_inside(find, tmp_path):
    """`a.b` is found inside tables, in a nested config, and in the environment as `A__B`."""
    wanted = Input(name="credentials.key")
    assert find(wanted, environ={"CREDENTIALS__KEY": "x"})["credentials.key"] == "x"
    assert find(wanted, config={"credentials": {"key": "y"}})["credentials.key"] == "y"
    _write(tmp_path, "secrets.toml", '[credentials]\nkey = "z"')
    assert find(wanted)["credentials.key"] == "z"


def test_nested_values_pass_as_they_are(find, tmp_path):
    """An object of an Airbyte config stays one; TOML dates become texts."""
    credentials = {"auth_type": "key", "keys": [1, {"a": None}]}
    found = find(Input(name="credentials"), config={"credentials": credentials, "extra": 1})
    assert found == {"credentials": credentials, "extra": 1}
    _write(tmp_path, "secrets.toml", "since = 2024-01-02\nat = [2024-01-02T03:04:05Z]")
    assert find(Input(name="since"), Input(name="at")) == {
        "since": "2024-01-02",
        "at": ["2024-01-02T03:04:05+00:00"],
    }


def test_all_missing_values_are_named_at_once(find, tmp_path):
    """Each has its own diagnostic with every place and the shortest fix; a typo is named too."""
    _write(tmp_path, ".env", "OTHER=1")
    with pytest.raises(PlanError) as caught:
        find(KEY, Input(name="start"), Input(name="no", required=False), sets={"api_kye": "x"})
    first, second, typo = caught.value.diagnostics
    assert (first.code, first.severity) == ("value-missing", "error")
    assert first.message == (
        "no value for 'api_key' (the key); looked at --set api_key=…, --config (not given), "
        "the environment (PENSTOCK__API_KEY, SOURCES__REST_API__CHAT__API_KEY, "
        "SOURCES__REST_API__API_KEY, SOURCES__CHAT__API_KEY, SOURCES__API_KEY, API_KEY), "
        f"and in {tmp_path}: .env, secrets.toml (not there), .dlt/secrets.toml (not there), "
        ".dlt/config.toml (not there)"
    )
    assert first.hint == "set PENSTOCK__API_KEY in the environment, or pass --set api_key=…"
    assert second.hint == "pass --set start=…, or set PENSTOCK__START in the environment"
    assert (typo.code, typo.hint) == ("value-unknown", "did you mean 'api_key'?")


def test_a_broken_file_is_named_with_its_line_but_not_its_text(find, tmp_path):
    """A TOML file that cannot be read is an error with its place, without what it holds."""
    _write(tmp_path, "secrets.toml", 'a = "fine"\napi_key = s3cr3t')
    with pytest.raises(PlanError) as caught:
        find()
    (found,) = caught.value.diagnostics
    assert found.code == "values-unreadable"
    assert str(found.place) == f"{tmp_path / 'secrets.toml'}:2:11"
    assert "s3cr3t" not in str(found)


def test_files_are_read_only_where_they_are_needed(find, tmp_path):
    """A broken file does no harm while values are found before it."""
    _write(tmp_path, "secrets.toml", "= broken")
    assert find(environ={"API_KEY": "x"}) == {"api_key": "x"}


def test_whitespace_around_a_secret_is_a_warning():
    """A line break pasted along with a key is said, without the key; other values may have it."""
    inputs = (KEY, Input(name="text"))
    (found,) = remarks(inputs, {"api_key": "abcd\n", "text": " x "}, {})
    assert (found.code, found.severity) == ("value-whitespace", "warning")
    assert "'api_key' begins or ends with whitespace" in found.message
    assert "abcd" not in str(found)


def test_values_nothing_asks_for_are_a_warning():
    """A `--set` name that the document does not know names the ones it does."""
    (found,) = remarks((KEY,), {}, {"zzz": 1, "api_key.inner": 1})
    assert (found.code, found.hint) == ("value-unknown", "it asks for: api_key")
    (bare,) = remarks((), {}, {"x": 1})
    assert bare.hint == "it asks for no values"


def test_secrets_are_every_scalar_of_secret_inputs():
    """Texts and numbers, also deep inside; true, false and null are none."""
    values = {"api_key": {"a": ["x", 7, True, None], "b": {"c": "y"}}, "open": "z"}
    assert secrets((KEY, Input(name="open")), values) == ("x", "7", "y")


def test_secrets_inside_an_object_are_found_by_their_paths():
    """An object may hold both; only what a secret path leads to is secret."""
    login = Input(name="login", secret_paths=(("key",), ("deep", "pin"), ("none",)))
    values = {"login": {"key": "k", "user": "u", "deep": {"pin": 7}}}
    assert secrets((login,), values) == ("k", "7")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=1", "1"),
        ("export A=1 # one", "1"),
        ("  A = spaced out  ", "spaced out"),
        ("A=a#b", "a#b"),
        ("A=", ""),
        ("A='raw \\n # $x'", "raw \\n # $x"),
        ('A="esc \\"\\n\\t\\\\ # no" # yes', 'esc "\n\t\\ # no'),
        ('A="two\nlines"', "two\nlines"),
        ("A='two\nlines'", "two\nlines"),
        ("# A=0\nA=1\r\n\r\nB=2\r\n", "1"),
        ("A=1\nA=2", "2"),
        ('A="open\nB=1', '"open'),
        ("A=x=y==", "x=y=="),
        ("\ufeffA=1".lstrip("\ufeff"), "1"),
    ],
)
def test_dotenv_values(text, value):
    """Quotes, `export`, comments, line breaks, and the last of a name."""
    assert parse_dotenv(text)["A"] == value


def test_dotenv_ignores_what_is_no_variable(find, tmp_path):
    """Comments, blanks and junk give nothing; a byte order mark does no harm."""
    assert parse_dotenv("# c\n\njunk\n=x\n1A=2\n#B=1") == {}
    _write(tmp_path, ".env", "\ufeffAPI_KEY=x\n")
    assert find() == {"api_key": "x"}


@pytest.mark.parametrize("value", [0, 32, "40", "many", [1]])
def test_a_number_out_of_its_bounds(value):
    """A value that must be a number within bounds is refused where it is not, in one sentence."""
    inputs = (Input(name="days", minimum=1, maximum=31, description="The days of a request."),)
    with pytest.raises(PlanError) as caught:
        gather(
            inputs, sets={"days": value}, config=None, environ={}, folder=Path(), source_name="x"
        )
    (found,) = caught.value.diagnostics
    assert found.code == "value-invalid"
    assert found.message == "the value of 'days' is not a number of at least 1 and at most 31"


@pytest.mark.parametrize("value", [1, 31, "7"])
def test_a_number_within_its_bounds(value):
    """Bounds belong to what they allow, and a number may come as text."""
    inputs = (Input(name="days", minimum=1, maximum=31),)
    found = gather(
        inputs, sets={"days": value}, config=None, environ={}, folder=Path(), source_name="x"
    )
    assert found["days"] == value


def test_a_variable_may_hold_the_table_that_a_value_stands_in(find):
    """As JSON, below the sections of dlt too; what is said of the value alone comes first."""
    table = '{"token": "t", "deep": {"n": 5}}'
    token, deep, other = (Input(name=f"keys.{name}") for name in ("token", "deep.n", "other"))
    assert find(token, environ={"KEYS": table}) == {"keys.token": "t"}
    assert find(deep, environ={"SOURCES__KEYS": table}) == {"keys.deep.n": 5}
    both = {"KEYS__DEEP": '{"n": 6}', "KEYS": table}
    assert find(deep, environ=both) == {"keys.deep.n": 6}
    own = {"KEYS": table, "KEYS__TOKEN": "own"}
    assert find(token, environ=own) == {"keys.token": "own"}
    for wanted, held in ((other, table), (token, "{"), (token, "[1]")):
        with pytest.raises(PlanError):
            find(wanted, environ={"KEYS": held})


def test_the_folder_of_dlt_itself_comes_last(find, tmp_path):
    """It is at home, or where dlt was told to have it; what lies nearer wins."""
    home = tmp_path / "data"
    _write(home, "secrets.toml", "api_key = 'far'\n[sources.chat]\nother = 'o'\n")
    _write(home, "config.toml", "api_key = 'config'\n")
    environ = {"DLT_DATA_DIR": str(home)}
    assert find(environ=environ) == {"api_key": "far"}
    assert find(Input(name="other"), environ=environ) == {"other": "o"}
    _write(tmp_path, ".dlt/config.toml", "api_key = 'near'\n")
    assert find(environ=environ) == {"api_key": "near"}
    with pytest.raises(PlanError, match=r"and in .*~/\.dlt/secrets\.toml, ~/\.dlt/config\.toml"):
        find(Input(name="nowhere"), environ=environ)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5), ("-3", -3), ("1.5", 1.5), ("true", True), ("FALSE", False), ("[1]", [1]),
        ('{"a": "b"}', {"a": "b"}), ("0012", "0012"), ("1.10", "1.10"), ("1e5", "1e5"),
        (" 5", " 5"), ("1_000", "1_000"), ("nan", "nan"), ("[x", "[x"), ("", ""), ("None", "None"),
    ],
)  # fmt: skip
def test_what_a_text_spells(text, value):
    """Only what would be written the same again, or is no number, is more than a text."""
    found = spelled(text)
    assert (found, type(found)) == (value, type(value))
