"""Programs of a host, faked by small scripts that come first in the path."""

from __future__ import annotations

import os
import shlex

import pytest


@pytest.fixture
def program(tmp_path, monkeypatch):
    """``program(name, stdout, …)``: a program that prints this, whatever it is asked; ``body`` for a script."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", "{}:{}".format(folder, os.environ["PATH"]))

    def make(name, stdout="", stderr="", rc=0, body=""):
        (folder / (name + ".out")).write_text(stdout, encoding="utf-8")
        lines = [
            "#!/bin/sh",
            'echo "$@" >>' + shlex.quote(str(folder / (name + ".log"))),
            body,
            "cat " + shlex.quote(str(folder / (name + ".out"))),
            f"printf %s {shlex.quote(stderr)} >&2",
            f"exit {rc}",
        ]
        path = folder / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        path.chmod(0o755)
        return folder / (name + ".log")

    return make


@pytest.fixture
def no_program(monkeypatch):
    """A host without any of the programs."""
    monkeypatch.setattr("streamdiag.host.command._USUAL_PATH", "/nonexistent")
    monkeypatch.setenv("PATH", "/nonexistent")
