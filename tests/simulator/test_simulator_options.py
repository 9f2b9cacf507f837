"""The command line and the registry of faults, without a server."""

import re
from pathlib import Path

import pytest
import simulator
from simulator.faults import CONDITIONS, FAULTS, apply, describe
from simulator.options import parse
from simulator.proxy import FAULTS as PROXY_FAULTS
from simulator.settings import Settings

UNIT = (
    "serve acme/tiny --served-model-name tiny other --host 0.0.0.0 --port 8000 --max-model-len 4096 --api-key secret "
    "--enable-auto-tool-choice --tool-call-parser hermes --gpu-memory-utilization 0.9 -tp 2 --disable-log-stats"
)


def test_vllm_command_line() -> None:
    options = parse(UNIT.split())
    settings = options.faulty
    assert (options.host, options.port, settings.model) == ("0.0.0.0", 8000, "acme/tiny")
    assert settings.served_names == ["tiny", "other"]
    assert (settings.api_keys, settings.max_model_len, settings.log_stats) == (["secret"], 4096, False)
    assert not settings.compatibility


def test_fork_flags() -> None:
    base = ["--dialect", "fork"]
    assert parse(base).faulty.compatibility and parse(base).faulty.ping_interval == 15
    off = parse([*base, "--no-responses-compatibility-mode", "--responses-ping-interval-seconds", "0"]).faulty
    assert not off.compatibility and off.ping_interval == 0


@pytest.mark.parametrize(
    "words",
    [
        "--nosuch",
        "--no-responses-compatibility-mode",
        "--fault nosuch",
        "--fault engine_asleep=3",
        "--fault compat_filter",  # upstream has no such mode
    ],
)
def test_usage_errors(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(words.split())
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize("name", [name for name in FAULTS if name != "none"])
def test_every_fault_changes_something(name: str) -> None:
    """In the dialect it belongs to, and never the healthy settings beside it."""
    options = parse(["--dialect", "fork", "--fault", name])
    assert options.faulty != options.healthy
    assert options.healthy == parse(["--dialect", "fork"]).healthy
    assert name in describe()


def test_the_readme_tells_of_every_fault() -> None:
    readme = Path(simulator.__file__).with_name("README.md").read_text()
    told = set(re.findall(r"`(\w+)(?:=\w+)?`", readme))
    assert ({*FAULTS, *PROXY_FAULTS} - {"none"}) - told == set()


def test_faults_combine() -> None:
    settings = Settings()
    for spec in ("slow=3", "missing_done", "truncated=9"):
        apply(spec, settings)
    assert settings.tokens_per_second == 3 and len(settings.filters) == 2


def test_conditions() -> None:
    tools = {"input": "x", "tools": [{"type": "function"}]}
    hit = {name for name, condition in CONDITIONS.items() if condition(tools)} - {"half"}  # which is at random
    assert hit == {"always", "tools", "responses"}
