"""The simulator against the recordings of a real vLLM 0.32, request by request."""

import re
from pathlib import Path

import pytest

from sim_cases import GROUPS
from sim_exchange import Exchange
from sim_server import Server, with_server
from sim_shape import body, headers, mask

RECORDINGS = Path(__file__).parent / "recordings"
FAST = ("--tokens-per-second", "5000")
# the random model answers in text when it is free to, and says little
WORDS = {
    "plain": (*FAST, "--fault", "answers_without_tool"),
    "reasoning": (
        *FAST, "--fault", "answers_without_tool", "--reasoning-parser", "deepseek_r1", "--reasoning-tokens", "6",
    ),
    "auth": (*FAST, "--api-key", "secret"),
}  # fmt: skip
# messages that list every branch of a union are imitated by their first entries only
MESSAGE_DIFFERS = {"bad_tool_type", "bad_tool_choice"}
# the random model never ends the argument, the simulated one does
ENDS_OTHERWISE = {"custom_required_cut"}


REQUESTS = {name: request for cases, _ in GROUPS.values() for name, request in cases.items()}
CASES = [(WORDS[group], name) for group, (cases, _) in GROUPS.items() for name in cases]


@pytest.mark.parametrize(("server", "name"), CASES, ids=[name for _, name in CASES], indirect=["server"])
def test_same_exchange(server: Server, name: str) -> None:
    real = Exchange.load(RECORDINGS / f"{name}.jsonl")
    ours = server.send(REQUESTS[name])
    assert ours.raw.split(b"\r\n")[0] == real.raw.split(b"\r\n")[0]
    assert headers(ours) == headers(real)
    assert ours.end == real.end == "complete"
    if name in MESSAGE_DIFFERS:
        masked = [e.json()["error"] | {"message": "…"} for e in (ours, real)]
        assert mask(masked[0]) == mask(masked[1])
    elif name in ENDS_OTHERWISE:
        assert [event for event, _ in body(ours)] == [event for event, _ in body(real)]
        assert [d for e, d in body(ours) if "completed" not in e] == [d for e, d in body(real) if "completed" not in e]
    else:
        assert body(ours) == body(real)


@with_server(*WORDS["plain"])
def test_one_event_per_chunk(server: Server) -> None:
    for name in ("text", "chat", "tools_required"):
        for result in (Exchange.load(RECORDINGS / f"{name}.jsonl"), server.send(REQUESTS[name])):
            assert len(result.chunks) == len(result.events())
            assert all(chunk.endswith(b"\n\n") and chunk.count(b"\n\n") == 1 for chunk in result.chunks)
            assert result.raw.endswith(b"\r\n0\r\n\r\n")


def families(text: str) -> dict[str, tuple[str, str, frozenset[str], frozenset[str]]]:
    """Per metric: type, help, label names, and the buckets of a histogram."""
    out: dict[str, tuple[str, str, frozenset[str], frozenset[str]]] = {}
    help_text = name = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            _, _, name, help_text = (*line.split(" ", 3), "")[:4]
        elif line.startswith("# TYPE "):
            out[name] = (line.rsplit(" ", 1)[1], help_text.strip(), frozenset(), frozenset())
        else:
            kind, text, labels, buckets = out[name]
            found = dict(re.findall(r'(\w+)="([^"]*)"', line))
            edge = {found.pop("le")} if "le" in found else set()
            out[name] = (kind, text, labels | frozenset(found), buckets | edge)
    return out


@with_server(*WORDS["plain"])
def test_same_metrics(server: Server) -> None:
    """Names, order, types, help texts, labels and buckets, as after a few requests to the real server."""
    for case in ("text", "not_found", "chat"):
        server.send(REQUESTS[case])
    real = families((RECORDINGS / "metrics_used.txt").read_text())
    ours = families(server.get("/metrics").body.decode())
    assert list(ours) == list(real)
    assert ours == real


@with_server("--disable-log-stats", "--no-tool-parser")
def test_metrics_without_stats(server: Server) -> None:
    """--disable-log-stats leaves only the series of Python, the process and HTTP."""
    server.send(REQUESTS["text_cut"])
    ours = families(server.get("/metrics").body.decode())
    assert ours == families((RECORDINGS / "metrics_no_stats.txt").read_text())
