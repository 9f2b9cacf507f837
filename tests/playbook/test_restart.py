"""restart.yml where nothing can be restarted: what the operator got wrong is said, and nothing is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.play import play

#: What is said only after a look at the service, which is taken as root.
AS_ROOT = ("nothing was changed: 'x' is not an option", "nothing was changed: ", "name the unit with -e vllm_unit=NAME")
DEMO = ("-i", "inventory/demo.yml", "-l", "demo")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "say which mode: -e restart_compat=on, off, or default"),
        (
            ("-e", "restart_compat=of"),
            "restart_compat='of' (the compatibility mode that should be in force) must be one of",
        ),
        (("-e", "restart_compta=off"), "did you mean restart_compat?"),
        (("-e", "restart_compat=off", "-e", "service_wait=soon"), "service_wait"),
        (("-e", "restart_compat=off", "-e", "service_insits=true"), "did you mean service_insist?"),
        (("-e", "restart_compat=off", "-e", "vllm_compat_flag_off=x"), "nothing was changed: 'x' is not an option"),
        (("-e", "restart_compat=off", "-e", "vllm_unit=nosuch"), "nothing was changed: "),
        (("-e", '{"restart_compat": false}', "-e", "vllm_unit=nosuch"), "name the unit with -e vllm_unit=NAME"),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) and len(value) > 1 else None,
)
def test_refused(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    if words in AS_ROOT and os.geteuid() != 0:
        pytest.skip("only root looks at the service of this machine")
    run = play("restart.yml", *DEMO, *arguments, reports=tmp_path / "reports")
    assert run.rc == 2, run.output
    assert words in run.output, run.output
    assert not (tmp_path / "reports").exists(), "a restart keeps no report"


def test_a_login_without_sudo(tmp_path: Path) -> None:
    """As an operator sees it whose sudo says no."""
    sudo = tmp_path / "sudo"
    sudo.write_text("#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n", encoding="utf-8")
    sudo.chmod(0o755)
    arguments = ("-e", "restart_compat=off", "-e", f"ansible_become_exe={sudo}", "-e", "ansible_become_user=daemon")
    run = play("restart.yml", *DEMO, *arguments, reports=tmp_path / "reports")
    assert run.rc == 2 and "needs root" in run.output and "-K" in run.output, run.output
