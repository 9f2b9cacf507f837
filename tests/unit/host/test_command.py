"""Bounded in time and in output, whatever the program does."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streamdiag.host import command


def python(code):
    return [sys.executable, "-c", code]


def test_a_program_that_ends():
    result = command.run(python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"), 20.0)
    assert result == command.Result(3, "out\n", "err\n")


def test_locale_time_zone_and_stdin():
    code = "import os, sys; print(os.environ['LC_ALL'], os.environ['TZ'], os.environ['MORE'], repr(sys.stdin.read()))"
    assert command.run(python(code), 20.0, env={"MORE": "x"}).stdout == "C UTC x ''\n"


def test_a_missing_program():
    result = command.run(["no-such-program-here"], 1.0)
    assert result.missing and result.rc is None
    assert result.words() == "no-such-program-here: no such program"


def test_a_missing_program_and_a_closed_folder_in_the_path(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir(mode=0)
    monkeypatch.setenv("PATH", "{}:{}".format(tmp_path / "closed", os.environ["PATH"]))
    assert command.run(["no-such-program-here"], 1.0).missing
    assert not command.run(["true"], 5.0).missing


def test_a_file_that_is_no_program(tmp_path):
    (tmp_path / "x").write_text("hello")
    result = command.run([str(tmp_path / "x")], 1.0)
    assert not result.missing and result.rc is None and "Permission denied" in result.stderr


def test_a_program_that_hangs_is_killed_with_its_children(tmp_path):
    mark = tmp_path / "pid"
    started = time.monotonic()
    result = command.run(["sh", "-c", f"sleep 60 & echo $! >{mark}; echo begun; wait"], 0.5)
    assert time.monotonic() - started < 5
    assert result.timed_out and result.rc is None and result.stdout == "begun\n" and not result.stuck
    state = Path(f"/proc/{mark.read_text().strip()}/stat")
    for _ in range(50):
        if not state.exists() or ") Z " in state.read_text():
            break
        time.sleep(0.05)
    else:
        pytest.fail("the child's child still runs")


def test_a_program_that_ignores_sigterm():
    result = command.run(["sh", "-c", "trap '' TERM INT; sleep 60"], 0.3)
    assert result.timed_out and not result.stuck


def test_a_program_that_talks_for_ever():
    started = time.monotonic()
    result = command.run(["sh", "-c", "while :; do echo 0123456789; done"], 30.0, max_bytes=10000)
    assert time.monotonic() - started < 10
    assert result.truncated and not result.timed_out and len(result.stdout) == 10000


def test_closed_outputs_and_a_hang():
    result = command.run(["sh", "-c", "exec >&- 2>&-; sleep 60"], 0.4)
    assert result.timed_out


def test_a_daemon_that_keeps_the_pipes_open(tmp_path):
    mark = tmp_path / "pid"
    started = time.monotonic()
    result = command.run(["sh", "-c", f"setsid sleep 20 & echo $! >{mark}; echo done"], 15.0)
    try:
        assert time.monotonic() - started < 5
        assert result.rc == 0 and result.stdout == "done\n"
    finally:
        subprocess.call(["kill", mark.read_text().strip()])


def test_bytes_that_are_no_text():
    assert command.run(["printf", "a\\377b"], 5.0).stdout == "a�b"


def test_a_program_killed_by_a_signal():
    assert command.run(["sh", "-c", "kill -9 $$"], 5.0).rc == -9


@pytest.mark.skipif(
    not os.access("/sys/fs/cgroup/freezer", os.W_OK) or os.geteuid() != 0,
    reason="a process that SIGKILL does not end needs root and the version 1 freezer",
)
def test_a_program_in_uninterruptible_sleep_is_given_up():
    group = Path(f"/sys/fs/cgroup/freezer/test-command-{os.getpid()}")
    group.mkdir()
    freeze = f"echo $$ >{group}/cgroup.procs; echo begun; echo FROZEN >{group}/freezer.state; sleep 60"
    try:
        started = time.monotonic()
        result = command.run(["sh", "-c", freeze], 1.0)
        assert time.monotonic() - started < 5
        assert result.timed_out and result.stuck and result.stdout == "begun\n"
    finally:
        (group / "freezer.state").write_text("THAWED")
        for _ in range(100):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(-1, os.WNOHANG)
            try:
                group.rmdir()
                break
            except OSError:
                time.sleep(0.05)
