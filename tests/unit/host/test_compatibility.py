"""What a server refuses first tells whether a compatibility mode is in force."""

from __future__ import annotations

import pytest

from streamdiag.host.compatibility import ask_compat_mode
from tests.diagnosis import simulator


@pytest.mark.parametrize(
    ("arguments", "mode"),
    [
        ((), "unsupported"),
        (("--dialect", "fork"), "on"),
        (("--dialect", "fork", "--no-responses-compatibility-mode"), "unsupported"),
        (("--fault", "http_error=503"), "unknown"),
        (("--api-key", "sekret-key-123456"), "unknown"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
)
def test_the_mode_of_a_server(tmp_path, arguments, mode):
    with simulator(tmp_path, *arguments) as base_url:
        assert ask_compat_mode(base_url, "tiny", "") == mode


def test_nobody_there():
    assert ask_compat_mode("http://127.0.0.1:9", "tiny", "") == "unknown"
