"""Faults of the whole server that only make clients wait, or that look so: queue, event loop, health, engine."""

import time
from itertools import pairwise
from threading import Thread

from sim_cases import responses
from sim_exchange import Exchange
from sim_faulty import FAST, TEXT, counters, cpu, names
from sim_server import Server, with_server


@with_server(*FAST, "--fault", "spinning_engine")
def test_spinning_engine(server: Server) -> None:
    """Neither a first nor a second request gets a token, the gauges stand, and the CPU clock runs."""
    assert names(server.send(TEXT, idle=0.3)) == ["response.created", "response.in_progress"]
    before = cpu(server.engine)
    assert names(server.send(TEXT, idle=0.6)) == ["response.created", "response.in_progress"]
    assert cpu(server.engine) - before > 10
    assert counters(server) == (0, 0, 0) and server.get("/health").status == 200


@with_server(*FAST, "--fault", "queue_clears=0.8")
def test_queue_clears(server: Server) -> None:
    box: list[Exchange] = []
    thread = Thread(target=lambda: box.append(server.send(TEXT)))
    assert counters(server) == (0, 0, 0)  # the others come with the first request
    thread.start()
    assert server.wait_for(lambda: counters(server)[:2] == (4, 1))
    tokens = counters(server)[2]
    thread.join()
    first = next(t for t, data in box[0].reads if b"output_item.added" in data)
    assert first > 0.7 and names(box[0])[-1] == "response.completed"
    assert counters(server)[2] > tokens
    assert server.wait_for(lambda: counters(server)[:2] == (0, 0))
    assert server.send(TEXT).t_end < first  # the queue is gone


@with_server(*FAST, "--fault", "worker_timeout=0.5")
def test_worker_timeout(server: Server) -> None:
    result = server.send(TEXT)
    assert result.end == "eof" and names(result) == ["response.created", "response.in_progress"]
    log = server.log()
    assert log.index("No available shared memory broadcast block found") < log.index("TimeoutError: RPC call to ")
    assert log.index("TimeoutError: RPC call to ") < log.index("AsyncLLM output_handler failed.")


@with_server("--fault", "engine_cuda_error=5")
def test_engine_cuda_error(server: Server) -> None:
    assert server.send(TEXT).end == "eof"
    error = "torch.AcceleratorError: CUDA error: an illegal memory access was encountered"
    lines = [line for line in server.log().splitlines() if error in line]
    assert lines and all(line.startswith("(EngineCore pid=") and " ERROR " in line for line in lines)


@with_server(*FAST, "--fault", "api_server_slow_event_loop=0.8")
def test_slow_event_loop(server: Server) -> None:
    """It blocks again and again, answers in between, and completes what it was asked."""
    waits = []
    end = time.monotonic() + 4
    while time.monotonic() < end:
        start = time.monotonic()
        assert server.get("/health").status == 200
        waits.append(time.monotonic() - start)
        time.sleep(0.1)
    assert sum(wait > 0.3 for wait in waits) >= 2 and min(waits) < 0.2
    result = server.send(responses(stream=True, max_output_tokens=400, ignore_eos=True))
    assert names(result)[-1] == "response.completed"
    times = [t for t, _ in result.reads]
    assert max(b - a for a, b in pairwise(times)) > 0.3


@with_server(*FAST, "--fault", "health_slow=0.5")
def test_health_slow(server: Server) -> None:
    start = time.monotonic()
    assert server.get("/health").status == 200
    assert time.monotonic() - start > 0.45
    assert names(server.send(TEXT))[-1] == "response.completed"
