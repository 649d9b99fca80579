"""`check --fix`: what is written, what is shown, and what stands in which stream."""

from __future__ import annotations

import json
import subprocess

import pytest

YAML = "client: {base_url: 'https://api.test', auth: {type: token, token: t}}\nresources: [a]\n"
SCRIPT = """\
from dlt.sources.rest_api import rest_api_source

source = rest_api_source(
    {
        "client": {"base_url": "https://api.test"},
        "resources": [{"name": "a", "path": "all"}],
    }
)
"""
DIFFERENCE = """\
--- a/doc.py
+++ b/doc.py
@@ -3,6 +3,6 @@
 source = rest_api_source(
     {
         "client": {"base_url": "https://api.test"},
-        "resources": [{"name": "a", "path": "all"}],
+        "resources": [{"name": "a", "endpoint": {"path": "all"}}],
     }
 )
"""


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_data_is_written_in_place(call, tmp_path, ends, mark):
    """YAML is repaired in its file, with its line breaks and its mark, and a second time silent."""
    path = tmp_path / "doc.yaml"
    path.write_bytes((mark + YAML.replace("\n", ends)).encode())
    path.chmod(0o640)
    result = call(None, "check", "--fix", "doc.yaml")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "ok  doc.yaml (dlt)\n1 repair written to doc.yaml\n"
    assert (
        path.read_bytes() == (mark + YAML.replace("token,", "bearer,").replace("\n", ends)).encode()
    )
    assert path.stat().st_mode & 0o777 == 0o640
    again = call(None, "check", "--fix", "doc.yaml")
    assert (again.exit_code, again.stdout, again.stderr) == (0, "", "ok  doc.yaml (dlt)\n")
    assert [p.name for p in tmp_path.iterdir()] == ["doc.yaml"]


def test_a_script_stays_and_the_difference_is_shown(call, tmp_path):
    """For Python the difference is all there is on stdout, and it applies."""
    path = tmp_path / "doc.py"
    path.write_text(SCRIPT)
    result = call(None, "check", "--fix", "doc.py")
    assert result.exit_code == 0
    assert result.stdout == DIFFERENCE
    assert "1 repair on stdout" in result.stderr
    assert path.read_text() == SCRIPT
    (tmp_path / "fix.patch").write_text(result.stdout)
    done = subprocess.run(["git", "apply", "fix.patch"], cwd=tmp_path, check=False, timeout=30)
    assert done.returncode == 0
    assert call(None, "check", "doc.py").stderr == "ok  doc.py (dlt)\n"
    assert call(None, "check", "--fix", "doc.py").stdout == ""


SEVERAL = """\
import dlt
from dlt.sources.rest_api import rest_api_source

a = rest_api_source({"client": {"base_url": "https://a.test"},
                     "resources": [{"name": "a", "path": "all"}]})
b = rest_api_source({"client": {"base_url": "https://b.test"},
                     "resources": [{"name": "b", "path": "all"}]})
"""
RUNS = """
dlt.pipeline("one", destination="duckdb").run(a)
dlt.pipeline("two", destination="duckdb").run(b)
"""


@pytest.mark.parametrize("runs", [RUNS, ""])
def test_all_that_a_script_builds_is_repaired(call, tmp_path, runs):
    """Whatever pipeline loads it, or none, the repairs are in one difference of the file."""
    (tmp_path / "doc.py").write_text(SEVERAL + runs)
    result = call(None, "check", "--fix", "doc.py")
    assert result.exit_code == 0
    assert result.stdout.count("--- a/doc.py") == 1
    assert "2 repairs on stdout" in result.stderr
    (tmp_path / "fix.patch").write_text(result.stdout)
    done = subprocess.run(["git", "apply", "fix.patch"], cwd=tmp_path, check=False, timeout=30)
    assert done.returncode == 0
    fixed = SEVERAL.replace('"path": "all"', '"endpoint": {"path": "all"}')
    assert (tmp_path / "doc.py").read_text() == fixed + runs
    again = call(None, "check", "--fix", "doc.py")
    assert again.stdout == ""
    assert ("several-sources" in again.stderr) is (not runs)


def test_the_difference_of_a_text(call, tmp_path):
    """A fenced block of a text is treated like a script, also without a line break at its end."""
    (tmp_path / "doc.md").write_text(f"# A\n\n```yaml\n{YAML}```")
    result = call(None, "check", "--fix", "doc.md")
    assert "+client: {base_url: 'https://api.test', auth: {type: bearer" in result.stdout
    assert result.stdout.endswith(" ```\n\\ No newline at end of file\n")
    assert (tmp_path / "doc.md").read_text().count("token") == 2


def test_json_tells_what_was_repaired(call, tmp_path):
    """With --json the findings that are left, the repairs, the files and the difference."""
    (tmp_path / "doc.yaml").write_text(YAML)
    (tmp_path / "doc.py").write_text(SCRIPT)
    result = call(None, "check", "--fix", "--json", "doc.yaml", "doc.py")
    written, shown = json.loads(result.stdout)["sources"]
    assert (written["ok"], written["diagnostics"]) == (True, [])
    assert [d["code"] for d in written["repaired"]] == ["renamed-value"]
    assert (written["written"], written["diff"]) == (["doc.yaml"], "")
    assert [d["code"] for d in shown["repaired"]] == ["misplaced-key"]
    assert (shown["written"], shown["diff"]) == ([], DIFFERENCE)


def test_what_is_wrong_stays_said(call, tmp_path):
    """An error is no repair: what is meant is written, the error is said, and the code is 2."""
    path = tmp_path / "doc.yaml"
    path.write_text(YAML.replace("[a]", "[a, a]"))
    result = call(None, "check", "--fix", "doc.yaml")
    assert result.exit_code == 2
    assert "error[duplicate-name]" in result.stderr
    assert "type: bearer" in path.read_text()


def test_a_document_that_is_not_there(call):
    """It is said as without --fix."""
    result = call(None, "check", "--fix", "nothing.yaml")
    assert result.exit_code == 2
    assert "error[no-source]" in result.stderr


def test_a_bundled_connector_is_left_alone(call):
    """There is nothing to repair in what comes with Penstock."""
    result = call(None, "check", "--fix", "messaging")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "ok  messaging (dlt)\n"
