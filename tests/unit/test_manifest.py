"""The manifest of a host's folder: every file, evidence as it was first written, links never followed."""

from __future__ import annotations

import hashlib
import json
import os

import pytest

from streamdiag.manifest import (
    NoManifest,
    compared,
    entry_of,
    files_below,
    read_manifest,
    renew_manifest,
    write_manifest,
)
from streamdiag.store import write_part, write_text


@pytest.fixture
def host(tmp_path):
    folder = tmp_path / "run" / "gpu43"
    write_part(folder, "run.json", {"host": "gpu43"})
    write_text(folder / "report.md", "# fine\n")
    return folder


def difference(folder):
    found = {name: entry_of(name, (folder / name).read_bytes()) for name in files_below(folder).files}
    return compared(read_manifest(folder), found)


def test_every_file_is_listed_with_its_checksum(host):
    path = write_manifest(host)
    assert path.stat().st_mode & 0o777 == 0o600
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert set(stored) == {"schema_version", "tool_version", "files"}
    assert stored["schema_version"] == 1
    assert [one["path"] for one in stored["files"]] == ["evidence/run.json", "report.md"]
    report = stored["files"][1]
    assert report == {"path": "report.md", "sha256": hashlib.sha256(b"# fine\n").hexdigest(), "bytes": 7}
    assert difference(host) == ([], [], [])


def test_the_same_folder_gives_the_same_manifest(host):
    first = write_manifest(host).read_bytes()
    assert write_manifest(host).read_bytes() == first


def test_what_differs_is_named(host):
    write_text(host / "result.json", "{}")
    write_manifest(host)
    write_text(host / "report.md", "# good\n")
    (host / "result.json").unlink()
    write_text(host / "evidence" / "more.json", "{}")
    assert difference(host) == (["report.md"], ["result.json"], ["evidence/more.json"])


def test_damaged_evidence_stays_visible_when_it_is_judged_again(host):
    write_manifest(host)
    write_part(host, "run.json", {"host": "gpu44"})
    write_text(host / "report.md", "# of the damaged evidence\n")
    write_part(host, "experiment.json", {})
    write_manifest(host)
    assert difference(host) == (["evidence/run.json"], [], []), "the report is new, the evidence is not"
    (host / "evidence" / "run.json").unlink()
    write_manifest(host)
    assert difference(host).missing == ["evidence/run.json"]


def test_what_came_after_a_change_is_in_the_host_s_manifest(host):
    after = host / "after"
    write_manifest(host)
    write_part(after, "run.json", {"host": "gpu43"})
    write_text(after / "report.md", "# after\n")
    assert write_manifest(after) == host / "manifest.json"
    assert difference(host) == ([], [], [])
    assert not (after / "manifest.json").exists()


def test_a_host_called_after_is_a_host(tmp_path):
    folder = tmp_path / "run" / "after"
    write_part(folder, "run.json", {})
    assert write_manifest(folder) == folder / "manifest.json"


def test_links_and_files_in_the_making_are_not_listed(host, tmp_path):
    (tmp_path / "secret").write_text("x", encoding="utf-8")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_text("x", encoding="utf-8")
    os.symlink(tmp_path / "secret", host / "evidence" / "secret.json")
    os.symlink(tmp_path / "elsewhere", host / "elsewhere")
    os.mkfifo(host / "pipe")
    (host / ".report.mdx1").write_text("half", encoding="utf-8")
    assert files_below(host) == (["evidence/run.json", "report.md"], ["elsewhere", "evidence/secret.json", "pipe"])
    write_manifest(host)
    assert difference(host) == ([], [], [])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "has no manifest"),
        ("{", "is not whole JSON"),
        ("[]", "has schema version None"),
        ('{"schema_version": 2, "files": []}', "has schema version 2, and this program reads 1"),
        ('{"schema_version": true, "files": []}', "has schema version True"),
        ('{"schema_version": 1, "files": [{"path": "a"}]}', "is damaged"),
        ('{"schema_version": 1}', "is damaged"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_no_manifest(host, text, words):
    if text is not None:
        (host / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(NoManifest, match=words):
        read_manifest(host)
    write_manifest(host)
    assert difference(host) == ([], [], [])


# Judged or compared again


def test_only_what_was_written_again_has_a_new_entry(host):
    write_text(host / "result.json", "{}")
    write_text(host / "pictures" / "simple.svg", "<svg/>")
    write_manifest(host)
    write_part(host, "run.json", {"host": "gpu44"})
    write_part(host, "more.json", {})
    write_text(host / "result.json", '{"a": 1}')
    write_text(host / "report.md", "# good\n")
    (host / "pictures" / "simple.svg").unlink()
    renew_manifest(host, [host / "report.md"])
    assert difference(host) == (["evidence/run.json", "result.json"], [], ["evidence/more.json"])
    (host / "evidence" / "run.json").unlink()
    renew_manifest(host, [host / "report.md", host / "result.json"])
    assert difference(host) == ([], ["evidence/run.json"], ["evidence/more.json"])


def test_what_is_written_below_after_is_in_the_host_s_manifest(host):
    write_part(host / "after", "run.json", {})
    write_manifest(host)
    write_text(host / "after" / "report.md", "# after\n")
    renew_manifest(host / "after", [host / "after" / "report.md"])
    assert difference(host) == ([], [], [])


def test_a_folder_without_a_manifest_gets_one_of_all(host):
    renew_manifest(host, [])
    assert difference(host) == ([], [], [])


def test_a_manifest_that_cannot_be_read_is_not_renewed(host):
    (host / "manifest.json").write_text("{", encoding="utf-8")
    renew_manifest(host, [host / "report.md"])
    assert (host / "manifest.json").read_text(encoding="utf-8") == "{"
