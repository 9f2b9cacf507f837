"""The steps of a change on a host: what is planned, written first, taken back; whatever stopped in between."""

from __future__ import annotations

import json
import stat

import pytest

from streamdiag.host.changing import intent as intent_module
from streamdiag.host.changing import service as service_module
from streamdiag.host.changing import transaction
from streamdiag.host.changing.drop_in import MARK, NAME, mark_in
from streamdiag.host.changing.intent import is_half_way, new_intent, read_intent, remove_intent, write_intent
from streamdiag.host.changing.our_files import Places, foreign, put, read_ours
from streamdiag.host.changing.readiness import progress, telling
from streamdiag.host.changing.service import Service
from streamdiag.host.changing.unit_file import UnitText

ARGV = "/usr/bin/vllm serve m --port 8000"
UNIT = UnitText("/etc/systemd/system/vllm.service", f"[Service]\nExecStart={ARGV}\n")


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host whose files are below ``tmp_path`` and whose server starts at once with what its unit then says."""
    places = Places(tmp_path / "run", tmp_path / "etc")
    folder = tmp_path / "state"

    class Host:
        argv, environ, active, uid = ARGV, {}, "active", 0
        reloaded = 0

        def service(self, _unit="vllm"):
            properties = {"LoadState": "loaded", "ActiveState": self.active, "InvocationID": "b", "NRestarts": "0"}
            unit = {"state": "ok", "reason": "", "name": "vllm.service", "properties": properties}
            server = {"pid": 7, "role": "main", "argv": self.argv.split()} if self.active == "active" else None
            intent = read_intent("vllm.service", folder)
            return Service(unit, [UNIT], read_ours("vllm.service", places), intent, [], server, dict(self.environ))

        def start(self):
            text = next((t for p, t in read_ours("vllm.service", places).items() if p.endswith(NAME)), "")
            rows = [row for row in text.splitlines() if row.startswith("ExecStart=/")]
            self.argv = rows[-1].partition("=")[2] if rows else ARGV
            self.environ = {MARK: mark_in(text)} if text else {}

        def files(self):
            return sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())

        def intent(self):
            return read_intent("vllm.service", folder)

    one = Host()
    monkeypatch.setattr(transaction, "read_service", one.service)
    monkeypatch.setattr(transaction, "reload", lambda: setattr(one, "reloaded", one.reloaded + 1))
    monkeypatch.setattr(transaction, "put", lambda unit, wanted: put(unit, wanted, places))
    monkeypatch.setattr(transaction, "write_intent", lambda value: write_intent(value, folder))
    monkeypatch.setattr(transaction, "remove_intent", lambda unit: remove_intent(unit, folder))
    monkeypatch.setattr(service_module, "Places", lambda: places)
    monkeypatch.setattr(service_module.os, "geteuid", lambda: one.uid)
    return one


def given(compat="", persist=False, kept=True, **change):
    return {
        "unit": "vllm", "compat": compat, "compat_flag_on": "--x", "compat_flag_off": "--no-x", "change": change,
        "persist": persist, "by": "restart", "run_id": "r1", "kept": kept,
    }  # fmt: skip


def carry_out(host, **wanted):
    done = transaction.make(given(**wanted), False)
    if done.restart:
        host.start()
    transaction.settle(given(**wanted), False)
    return done


def test_there_and_back(host):
    done = carry_out(host, compat="off")
    assert done.changed and done.restart and host.argv.endswith("--no-x")
    assert host.files() == ["run/vllm.service.d/" + NAME, "state/vllm.service.json"]
    assert host.intent()["phase"] == "in_force" and host.intent()["kept"]
    assert transaction.shortfall(host.service(), "change") == []
    again = carry_out(host, compat="off")
    assert not again.changed and not again.restart
    assert carry_out(host, compat="on").restart and host.argv.endswith("--x")
    back = carry_out(host, compat="default")
    assert back.changed and back.restart and host.argv == ARGV and host.files() == []
    assert not carry_out(host, compat="default").changed


def test_lasting_and_temporary_hide_each_other(host):
    carry_out(host, compat="off", persist=True)
    assert host.files()[0] == "etc/vllm.service.d/" + NAME
    moved = carry_out(host, compat="off")
    assert moved.changed and not moved.restart, "the same text, elsewhere"
    assert host.files() == ["run/vllm.service.d/" + NAME, "state/vllm.service.json"]


def test_by_its_own_configuration_it_is_as_wanted(host):
    host.argv = ARGV + " --no-x"
    assert not transaction.make(given("off"), False).changed and host.files() == []


def test_check_mode_tells_and_writes_nothing(host):
    done = transaction.make(given("off"), True)
    assert done.changed and done.restart and host.files() == []
    assert done.diff[0]["before"] == "" and "--no-x" in done.diff[0]["after"]


def test_secrets_are_not_shown(host):
    secret = "sekret-key-123456"
    done = transaction.make(given(set=[f"--api-key={secret}"]), True)
    plan, words = transaction.look(given(set=[f"--api-key={secret}"]))
    assert secret not in json.dumps(done.diff) + done.words + json.dumps(plan) + words


def test_rolled_back_to_the_drop_in_from_before(host):
    carry_out(host, compat="off")
    text = host.service().ours
    transaction.make(given(set=["--bad"]), False)
    host.active = "failed"
    back = transaction.go_back(given(), False)
    assert back.restart and host.service().ours == text
    host.active = "active"
    host.start()
    assert transaction.shortfall(host.service(), "before") == []
    transaction.settle(given(), False)
    assert host.intent()["what"] == "compat_off" and not is_half_way(host.intent())


def test_a_unit_that_did_not_run_is_stopped_again(host, monkeypatch):
    said = []
    monkeypatch.setattr(transaction, "_systemctl", lambda *words: said.append(words))
    host.active = "inactive"
    transaction.make(given("off"), False)
    host.active = "activating"
    back = transaction.go_back(given(), False)
    assert back.stopped and not back.restart and said == [("--no-block", "stop", "--", "vllm.service")]
    transaction.settle(given(), False)
    assert host.files() == []


def test_nothing_under_way_is_not_taken_back(host):
    assert not transaction.go_back(given(), False).changed
    carry_out(host, compat="off")
    assert not transaction.go_back(given(), False).changed and host.service().ours


def test_an_audit_goes_back_to_what_an_operator_wanted(host):
    carry_out(host, compat="off")
    transaction.make(given("on"), False)
    host.start()
    transaction.settle(given("on", kept=False), False)
    assert is_half_way(host.intent()) and host.argv.endswith(" --x")
    assert transaction.go_back(given(), False).restart
    host.start()
    transaction.settle(given(), False)
    assert host.argv.endswith(" --no-x") and host.intent()["what"] == "compat_off"


@pytest.mark.parametrize("stopped_at", ["prepared", "written", "restarting", "started", "in_force"])
def test_a_controller_that_dies(host, monkeypatch, stopped_at):
    """Whatever was reached: ``default`` restores, and until then the intent says so."""
    if stopped_at == "prepared":
        with monkeypatch.context() as dying:
            dying.setattr(transaction, "put", lambda unit, wanted: (_ for _ in ()).throw(KeyboardInterrupt()))
            with pytest.raises(KeyboardInterrupt):
                transaction.make(given("off"), False)
        assert is_half_way(host.intent())
        plan, _words = transaction.look(given("default"))
        assert not plan["restart"] and plan["wait"]
        transaction.settle(given("default"), False)
        assert host.files() == [] and host.argv == ARGV
        return
    transaction.make(given("off"), False)
    if stopped_at in ("started", "in_force"):
        host.start()
    if stopped_at == "restarting":
        host.active = "failed"
    assert is_half_way(host.intent())
    if stopped_at == "in_force":
        transaction.settle(given("off", kept=False), False)
        assert is_half_way(host.intent())
    restart = transaction.make(given("default"), False).restart
    assert restart
    host.active = "active"
    host.start()
    transaction.settle(given("default"), False)
    assert host.files() == [] and host.argv == ARGV


def test_the_host_was_booted_in_between(host):
    transaction.make(given("off"), False)
    put("vllm.service", {}, service_module.Places())  # /run is empty after a boot
    plan, _words = transaction.look(given("default"))
    assert not plan["restart"] and plan["wait"], "it runs without ours already"
    transaction.make(given("default"), False)
    assert "is put right" in transaction.settle(given("default"), False).words
    assert host.files() == []


def test_refusals(host, tmp_path):
    path = tmp_path / "etc/vllm.service.d" / NAME
    path.parent.mkdir(parents=True)
    path.write_text("[Service]\nNice=1\n", encoding="utf-8")
    assert foreign(host.service().ours) == [str(path)]
    with pytest.raises(transaction.Refused, match="is not ours"):
        transaction.make(given("off"), False)
    path.unlink()
    host.uid = 1000
    with pytest.raises(transaction.Refused, match="needs root"):
        transaction.make(given("off"), False)
    with pytest.raises(transaction.Refused, match="nothing to change"):
        transaction.make(given(), False)


def test_intent_file(tmp_path, monkeypatch):
    folder = tmp_path / "state"
    assert read_intent("a.service", folder)["state"] == "absent"
    write_intent(new_intent("a.service", "args", "r", "audit", {}, {}), folder)
    path = folder / "a.service.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and len(list(folder.iterdir())) == 1
    assert read_intent("a.service", folder)["phase"] == "prepared"
    path.write_text("{", encoding="utf-8")
    assert read_intent("a.service", folder)["state"] == "failed"
    monkeypatch.setattr(intent_module.Path, "read_text", lambda *_a, **_k: (_ for _ in ()).throw(PermissionError()))
    assert "not readable as" in read_intent("a.service", folder)["reason"]
    assert remove_intent("a.service", folder) and not folder.exists()
    assert not remove_intent("a.service", folder)


@pytest.mark.parametrize(
    ("properties", "answers", "state"),
    [
        ({"ActiveState": "deactivating"}, "", "waiting"),
        ({"ActiveState": "active", "InvocationID": "old"}, "", "waiting"),
        ({"ActiveState": "failed", "Result": "exit-code"}, "", "failed"),
        ({"ActiveState": "inactive"}, "", "failed"),
        ({"ActiveState": "activating", "SubState": "auto-restart", "ExecMainStatus": "2"}, "", "failed"),
        (
            {"ActiveState": "activating", "SubState": "auto-restart", "ExecMainStatus": "1", "NRestarts": "1"},
            "",
            "waiting",
        ),
        (
            {"ActiveState": "activating", "SubState": "auto-restart", "ExecMainStatus": "1", "NRestarts": "2"},
            "",
            "failed",
        ),
        ({"ActiveState": "activating", "SubState": "start"}, "", "waiting"),
        ({"ActiveState": "active"}, "no answer", "waiting"),
        ({"ActiveState": "active"}, "", "ready"),
    ],
)
def test_progress(properties, answers, state):
    unit = {"state": "ok", "name": "v.service", "properties": {"InvocationID": "new", **properties}}
    service = Service(unit, [], {}, {"state": "absent"}, [], {"pid": 7, "argv": []}, {})
    assert progress(service, "old", lambda: answers).state == state


def test_last_words():
    lines = [{"text": text} for text in ("INFO ready", "api_server.py: error: unrecognized arguments: --x", "usage")]
    systemd = [{"text": "v.service: Main process exited, code=exited, status=2"}]
    assert telling(lines + systemd, 3) == "api_server.py: error: unrecognized arguments: --x"
    assert telling([{"text": "a"}, {"text": "b"}], 1) == "b" and telling([], 3) == ""
