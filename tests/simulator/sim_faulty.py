"""What tests of faults share: command lines, requests, and how to look at what came of them."""

import re
from dataclasses import replace
from pathlib import Path

from sim_cases import ENUM, responses
from sim_exchange import Exchange, Request
from sim_server import Server

RECORDINGS = Path(__file__).parent / "recordings"
FAST = ("--tokens-per-second", "500")
ANY = (*FAST, "--fault-header")  # one server for all faults that leave it sound
FORK = (*ANY, "--dialect", "fork")
TEXT = responses(stream=True, max_output_tokens=40)
LONG = responses(stream=True, max_output_tokens=3000, ignore_eos=True)
TOOLS = responses(stream=True, max_output_tokens=300, tools=[ENUM])


def faulty(request: Request, fault: str) -> Request:
    """The request, naming the fault that it asks for."""
    return replace(request, headers={**request.headers, "x-simulator-fault": fault})


def names(result: Exchange) -> list[str]:
    return [name for name, _ in result.events()]


def counters(server: Server) -> tuple[float, float, float]:
    """Running, waiting, generated tokens."""
    text = server.get("/metrics").body.decode()
    found = ("num_requests_running", "num_requests_waiting", "generation_tokens_total")
    lines = [re.search(rf"^vllm:{name}{{.*}} (\S+)$", text, re.MULTILINE) for name in found]
    return tuple(float(line[1]) for line in lines if line)  # type: ignore[return-value]


def cpu(pid: int) -> int:
    """Clock ticks of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])
