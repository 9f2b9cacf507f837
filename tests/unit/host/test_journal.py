"""journalctl's answers: whole, cut, empty, refused."""

from __future__ import annotations

import json

import pytest

from streamdiag.host import journal

HINT = (
    "Hint: You are currently not seeing messages from other users and the system.\n"
    "      Users in groups 'adm', 'systemd-journal' can see all messages.\n"
    "      Pass -q to turn off this notice.\n"
)


def entry(at, text, **more):
    return json.dumps(
        dict({"__REALTIME_TIMESTAMP": str(int(at * 1e6)), "_PID": "74", "PRIORITY": "6"}, MESSAGE=text, **more)
    )


@pytest.fixture
def readable(tmp_path):
    """A folder with a system journal that we may read."""
    (tmp_path / "journal" / "machine").mkdir(parents=True)
    (tmp_path / "journal" / "machine" / "system.journal").write_text("")
    return [tmp_path / "journal"]


def read(journals, lines=100, size=100000, since=1000.0):
    return journal.read_unit_log("vllm", since, lines, size, journals)


def test_lines_oldest_first(program, readable):
    asked = program("journalctl", "\n".join([entry(1002.5, "two"), entry(1001.25, "one", PRIORITY=None, _PID=None)]))
    assert read(readable) == {
        "state": "ok",
        "reason": "",
        "since": 1000.0,
        "dropped": 0,
        "lines": [
            {"at": 1001.25, "pid": None, "priority": None, "text": "one"},
            {"at": 1002.5, "pid": 74, "priority": 6, "text": "two"},
        ],
    }
    assert "--unit=vllm.service" in asked.read_text() and "--since=@1000" in asked.read_text()


def test_newest_lines_are_kept(program, readable):
    program("journalctl", "\n".join(entry(2000 - at, f"line {at}") for at in range(10)))
    log = read(readable, lines=3)
    assert [line["text"] for line in log["lines"]] == ["line 2", "line 1", "line 0"] and log["dropped"] == 7
    log = read(readable, size=13)
    assert [line["text"] for line in log["lines"]] == ["line 1", "line 0"] and log["dropped"] == 8


def test_the_part_of_the_first_second(program, readable):
    program("journalctl", "\n".join([entry(1000.7, "in"), entry(1000.2, "before")]))
    assert [line["text"] for line in read(readable, since=1000.5)["lines"]] == ["in"]


@pytest.mark.parametrize(
    "message, text",
    [
        ([104, 195, 169, 27, 91, 51, 49, 109, 33, 255], "hé!�"),
        ("\x1b[32mINFO\x1b[0m ok", "INFO ok"),
        (["a", [98, 99]], "a\nbc"),
        (None, ""),
        ('é "quoted" {{ x }}', 'é "quoted" {{ x }}'),
        ("x" * 9000, "x" * 8192 + "…"),
    ],
)
def test_messages(message, text):
    line = journal.parse_entry(entry(1, message))
    assert line is not None and line["text"] == text


@pytest.mark.parametrize(
    "more, at",
    [
        ({"__MONOTONIC_TIMESTAMP": "900000000", "_SOURCE_MONOTONIC_TIMESTAMP": "300000000"}, 400.0),
        ({"__MONOTONIC_TIMESTAMP": "900000000"}, 1000.0),  # a line of the unit
        ({"__MONOTONIC_TIMESTAMP": "900000000", "_SOURCE_MONOTONIC_TIMESTAMP": "900000900"}, 1000.0),  # another clock
        ({"__MONOTONIC_TIMESTAMP": "x", "_SOURCE_MONOTONIC_TIMESTAMP": "300000000"}, 1000.0),
    ],
)
def test_a_kernel_line_is_dated_by_the_kernel(more, at):
    line = journal.parse_entry(entry(1000, "NVRM: Xid", **more))
    assert line is not None and line["at"] == at


def test_what_the_kernel_said_long_ago_is_left_out(program, readable):
    old = entry(1002, "old", __MONOTONIC_TIMESTAMP="900000000", _SOURCE_MONOTONIC_TIMESTAMP="300000000")
    program("journalctl", "\n".join([entry(1003, "new"), old]))
    assert [line["text"] for line in read(readable, since=1000)["lines"]] == ["new"]


@pytest.mark.parametrize("line", ["", "-- No entries --", "[]", "{}", '{"__REALTIME_TIMESTAMP": "x"}', "{"])
def test_what_is_no_entry(line):
    assert journal.parse_entry(line) is None


def test_an_empty_log_that_is_empty(program, readable):
    program("journalctl", "-- No entries --\n")
    assert read(readable) == {"state": "ok", "reason": "", "since": 1000.0, "lines": [], "dropped": 0}


def test_an_empty_log_of_somebody_without_access(program, readable):
    program("journalctl", "-- No entries --\n", HINT)
    log = read(readable)
    assert log["state"] == "denied" and "not in group systemd-journal or adm" in log["reason"] and log["lines"] == []


def test_no_hint_and_no_access(program, readable, monkeypatch):
    program("journalctl", "-- No entries --\n")
    monkeypatch.setattr(journal.os, "access", lambda *_: False)
    assert read(readable)["state"] == "denied"


def test_no_journal_opened(program, readable):
    program("journalctl", "", "No journal files were opened due to insufficient permissions.\n", 1)
    assert read(readable)["state"] == "denied"


def test_own_messages_only(program, readable):
    program("journalctl", entry(1001, "mine"), HINT)
    log = read(readable)
    assert log["state"] == "ok" and "only messages of" in log["reason"] and len(log["lines"]) == 1


def test_no_journal_files(program, tmp_path):
    program("journalctl", "-- No entries --\n", "No journal files were found.\n")
    assert read([tmp_path / "none"])["state"] == "absent"


def test_no_journald(no_program, readable):
    assert read(readable)["state"] == "absent"


def test_journalctl_that_fails(program, readable):
    program("journalctl", "", "Failed to open journal: Bad message\n", 1)
    log = read(readable)
    assert log["state"] == "failed" and log["reason"] == "journalctl: Failed to open journal: Bad message"


def test_journalctl_that_hangs(program, readable, monkeypatch):
    monkeypatch.setattr(journal, "_TIMEOUT", 0.5)
    program("journalctl", body="printf '%s\\n' '{}'; sleep 60".format(entry(1001, "one")))
    log = read(readable)
    assert log["state"] == "failed" and [line["text"] for line in log["lines"]] == ["one"]


def test_more_than_is_read(program, readable, monkeypatch):
    monkeypatch.setattr(journal, "_READ_BYTES", 1000)
    program("journalctl", "\n".join(entry(2000 - at, f"line {at}") for at in range(100)))
    log = read(readable, lines=2)
    assert log["state"] == "ok" and "only what was read" in log["reason"]
    assert [line["text"] for line in log["lines"]] == ["line 1", "line 0"] and 0 < log["dropped"] < 98


def test_patterns_are_no_units(program, readable):
    program("journalctl", entry(1001, "other's"))
    assert journal.read_unit_log("v*", 0.0, 10, 1000, readable)["state"] == "absent"


def test_kernel_lines(program, readable):
    asked = program("journalctl", entry(1001, "NVRM: Xid (PCI:0000:3b:00): 79", _PID=None))
    log = journal.read_kernel_log(1000.0, 10, 1000, readable)
    assert log["state"] == "ok" and log["lines"][0]["text"].startswith("NVRM")
    assert "_TRANSPORT=kernel" in asked.read_text()


def test_a_journal_without_the_kernel(program, readable):
    program("journalctl", "-- No entries --\n")
    log = journal.read_kernel_log(1000.0, 10, 1000, readable)
    assert log["state"] == "absent" and "no kernel messages" in log["reason"]


def test_a_quiet_kernel(program, readable):
    program("journalctl", body='case "$*" in *" cat "*) echo "Linux version 6"; exit;; esac')
    log = journal.read_kernel_log(1000.0, 10, 1000, readable)
    assert log["state"] == "ok" and log["lines"] == []
