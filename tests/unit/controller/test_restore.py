"""Which hosts an interrupted audit takes its change back on, and by which command."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace

import pytest

from tests.play import ROOT

HOSTS = [SimpleNamespace(get_name=lambda name=name: name) for name in ("gpu43", "gpu44")]
CHANGE = SimpleNamespace(action="vllm_service_change")


@pytest.fixture
def plugin(monkeypatch):
    """The plugin of a play that audits, and the commands that it runs in the end."""
    spec = importlib.util.spec_from_file_location("restore", ROOT / "callback_plugins" / "restore.py")
    restore = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(restore)
    monkeypatch.setattr(restore.atexit, "register", lambda _function: None)
    monkeypatch.setattr(restore.signal, "signal", lambda *_words: None)
    monkeypatch.setattr(restore.context, "CLIARGS", {"inventory": ("a.ini", "b.ini"), "extra_vars": ("x=1",)})
    ran = []

    class Play:
        stdout, returncode = ["said\n"], 0

        def __init__(self, command, **_more):
            ran.append(command)

        def __enter__(self):
            return self

        def __exit__(self, *_exception):
            pass

    monkeypatch.setattr(restore.subprocess, "Popen", Play)
    made = restore.CallbackModule()
    made.v2_playbook_on_start(SimpleNamespace(get_plays=lambda: [SimpleNamespace(get_name=lambda: "Audit a change")]))
    return SimpleNamespace(plugin=made, ran=ran, restoring=restore.restoring)


def answered(plugin, host, state, kept=True):
    given = {"invocation": {"module_args": {"state": state, "kept": kept}}}
    plugin.v2_runner_on_ok(SimpleNamespace(result=given, task=CHANGE, host=host))


def test_what_was_begun_and_is_not_settled_is_taken_back(plugin):
    for host in HOSTS:
        plugin.plugin.v2_runner_on_start(host, CHANGE)
        answered(plugin.plugin, host, "made")
        answered(plugin.plugin, host, "settled", kept=False)
    answered(plugin.plugin, HOSTS[0], "settled")
    plugin.plugin._restore()
    (command,) = plugin.ran
    assert command[1].endswith("playbooks/undo.yml")
    assert command[2:] == ["-l", "gpu44", "-i", "a.ini", "-i", "b.ini", "-e", "x=1"]


def test_nothing_is_done_without_a_change_or_after_the_play_s_own_end(plugin):
    plugin.plugin.v2_runner_on_start(HOSTS[0], SimpleNamespace(action="vllm_stream_probe"))
    plugin.plugin._restore()
    plugin.plugin.v2_runner_on_start(HOSTS[0], CHANGE)
    plugin.plugin.v2_playbook_on_stats(None)
    plugin.plugin._restore()
    assert plugin.ran == []


def test_a_restart_is_meant_to_stay(plugin):
    plays = [SimpleNamespace(get_name=lambda: "Restart vLLM with or without compatibility mode")]
    plugin.plugin.v2_playbook_on_start(SimpleNamespace(get_plays=lambda: plays))
    plugin.plugin.v2_runner_on_start(HOSTS[0], CHANGE)
    plugin.plugin._restore()
    assert plugin.ran == []


def test_the_audit_s_play_is_called_one():
    assert "- name: Audit " in (ROOT / "playbooks" / "audit.yml").read_text(encoding="utf-8")


def test_hosts_are_reached_as_in_the_play(plugin):
    command = plugin.restoring(["gpu43"], {"remote_user": "op", "private_key_file": "/k", "extra_vars": ("a=1",)})
    assert command[2:] == ["-l", "gpu43", "--user", "op", "--private-key", "/k", "-e", "a=1"]
