"""Python of strangers: nothing of it is executed that the user did not say may be executed.

Each payload leaves a mark when it is executed; that it would is shown with the consent given.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.dialects.airbyte import manifests

from penstock.cli.app import cli
from penstock.cli.context import App

MARK = "executed"
PAGE = """\
# How to load

```python
import pathlib
pathlib.Path("executed").touch()
from dlt.sources.rest_api import rest_api_source
names = [n for n in ("a", "b")]
rest_api_source({"client": {"base_url": "https://x.invalid"}, "resources": names})
```
"""
CLASSES = """\
import pathlib
pathlib.Path("executed").touch()
from airbyte_cdk.sources.declarative.extractors.record_extractor import RecordExtractor
class Rows(RecordExtractor):
    def extract_records(self, response):
        yield from ()
"""
NAMED = "source_shop.components.Rows"
COMMANDS = ("check", "plan", "run", "read")


def called(command: str, document: str, *more: str) -> str:
    """What a command says, in the folder where a payload leaves its mark."""
    stream = ("things",) if command == "read" else ()
    asks = ("--base-url", "http://127.0.0.1:1", "--deny-private")  # and is refused at once
    arguments = [command, document, *stream, *(asks if command in {"run", "read"} else ()), *more]
    return CliRunner().invoke(cli, arguments, obj=App()).output


def manifest(folder: Path, name: str = NAMED) -> str:
    """A manifest that names a class, in a folder that is not its connector's."""
    extractor = {"type": "CustomRecordExtractor", "class_name": name}
    text = manifests.manifest(manifests.stream(selector={"extractor": extractor}))
    folder.mkdir(exist_ok=True)
    path = folder / "manifest.yaml"
    path.write_text(json.dumps(text), "utf-8")
    return str(path)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that commands are called in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("suffix", [".md", ".txt"])
def test_code_in_a_page_needs_consent(command: str, suffix: str, home: Path) -> None:
    """A page that shows code is not a script: without `--allow-code` it is only read."""
    page = home / f"page{suffix}"
    page.write_text(PAGE, "utf-8")
    called(command, str(page))
    assert not (home / MARK).exists()
    called(command, str(page), "--allow-code")
    assert (home / MARK).exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_classes_elsewhere_need_consent(command: str, home: Path) -> None:
    """Files above, below and in the working folder are not executed, only one that is named."""
    document = manifest(home / "connector")
    (home / "connector" / "source_shop").mkdir()
    for folder in (home, home / "connector" / "source_shop"):
        (folder / "components.py").write_text(CLASSES, "utf-8")
    said = called(command, document)
    assert not (home / MARK).exists()
    assert "class" in said
    called(command, document, "--components", str(home / "components.py"))
    assert (home / MARK).exists()


@pytest.mark.parametrize(
    "name",
    [
        *("os.system", "subprocess.Popen", "builtins.eval", "antigravity.Rows"),
        *("source_shop.pages.Rows", "pages.Rows", "..pages.Rows", "/etc/x.Rows", "pages\0.Rows"),
    ],
)
def test_no_other_module_is_reached(name: str, home: Path) -> None:
    """A class name leads to no installed module, and to no file that lies beside by chance."""
    document = manifest(home / "connector", name)
    (home / "connector" / "pages.py").write_text(CLASSES, "utf-8")
    called("check", document)
    assert not (home / MARK).exists()


@pytest.mark.parametrize("key", ["__injected_components_py", "__injected_manifest_components"])
def test_values_bring_no_code(key: str, home: Path) -> None:
    """The user's values are values, also those by which a platform hands code over."""
    config = {key: CLASSES, f"{key}_checksums": {"md5": "0"}}
    (home / "config.json").write_text(json.dumps(config), "utf-8")
    document = manifest(home / "connector")
    for command in ("check", "discover"):
        told = ("airbyte", command, "--manifest-path", document, "--config", "config.json")
        CliRunner().invoke(cli, list(told), obj=App())
    assert not (home / MARK).exists()
