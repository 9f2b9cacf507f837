"""What each fault does to a stream, to /health and to the counters, and how the server ends."""

import os
import signal
import time
from pathlib import Path
from threading import Thread

from sim_cases import CODEX, ENUM, chat, responses
from sim_exchange import Exchange, Request
from sim_faulty import ANY, FAST, LONG, RECORDINGS, TEXT, TOOLS, counters, cpu, faulty, names
from sim_server import Server, with_server
from sim_shape import body, headers


@with_server(*FAST)
def test_healthy(server: Server) -> None:
    assert names(server.send(TEXT))[-1] == "response.completed"
    call = server.send(TOOLS)
    assert "response.function_call_arguments.done" in names(call)
    done = call.events()[-2][1]["item"]
    assert (done["name"], done["arguments"]) == ("shell", '{"cmd": "ls"}')
    usage = call.events()[-1][1]["response"]["usage"]
    assert server.metric("vllm:request_success_total", finished_reason="stop") >= 2
    assert server.metric("vllm:request_generation_tokens_sum") == server.metric("vllm:generation_tokens_total")
    assert usage["output_tokens"] > 20 and server.metric("vllm:prompt_tokens_total") > usage["input_tokens"]
    assert counters(server)[:2] == (0, 0)


@with_server(*FAST)
def test_codex_turns(server: Server) -> None:
    """The tool is called once, then its output is answered in text."""
    first = server.send(Request("POST", "/v1/responses", CODEX))
    item = next(data["item"] for name, data in first.events() if name == "response.output_item.done")
    assert item["type"] == "function_call" and item["name"] == "exec_command"
    output = {"type": "function_call_output", "call_id": item["call_id"], "output": "a.txt"}
    second = {**CODEX, "input": [*CODEX["input"], item, output]}
    assert "response.output_text.done" in names(server.send(Request("POST", "/v1/responses", second)))


@with_server(*FAST)
def test_same_text_for_same_seed(server: Server) -> None:
    say = [server.send(responses(seed=seed)).json()["output"][0]["content"][0]["text"] for seed in (1, 1, 2)]
    assert say[0] == say[1] != say[2]


@with_server(*[("--fault", fault) for fault in ("engine_stalled", "engine_blocked", "engine_asleep", "worker_hung")])
def test_silence_before_the_first_token(server: Server) -> None:
    how = server.argv[-1]
    real = Exchange.load(RECORDINGS / "fault_engine_stalled.jsonl")
    ours = server.send(responses(stream=True, max_output_tokens=400, ignore_eos=True), idle=0.3)
    assert ours.end == real.end == "idle"
    assert headers(ours) == headers(real)
    assert body(ours) == body(real)
    assert server.get("/health").status == 200
    assert counters(server) == (0, 0, 0)
    assert server.metric("vllm:engine_sleep_state", sleep_state="awake") == (how != "engine_asleep")
    state = Path(f"/proc/{server.engine}/stat").read_text().rsplit(")", 1)[1].split()[0]
    assert state == ("T" if how == "engine_stalled" else "S")
    assert Path(f"/proc/{server.engine}/cmdline").read_text().rstrip("\0") == "VLLM::EngineCore"
    assert ("shared memory broadcast" in server.log()) == (how == "worker_hung")
    assert ends(server) < 1


def ends(server: Server) -> float:
    """Seconds from SIGTERM to the end of the process, with exit code 0 as vLLM's."""
    start = time.monotonic()
    server.process.terminate()
    assert server.process.wait(3) == 0
    return time.monotonic() - start


@with_server(*FAST, "--fault", "engine_stalled_midstream=10")
def test_silence_in_midstream(server: Server) -> None:
    ours = server.send(TEXT, idle=0.8)
    assert ours.end == "idle" and names(ours).count("response.output_text.delta") == 10
    assert server.get("/health").status == 200
    assert counters(server) == (1, 0, 10)
    time.sleep(0.1)
    assert counters(server) == (1, 0, 10)  # the client has left: the gauge is as frozen as the engine


@with_server()
def test_stop_and_continue_from_outside(server: Server) -> None:
    os.kill(server.engine, signal.SIGSTOP)
    assert names(server.send(TEXT, idle=0.3)) == ["response.created", "response.in_progress"]
    os.kill(server.engine, signal.SIGCONT)
    assert names(server.send(TEXT))[-1] == "response.completed"


@with_server(("--seed", "0"), ("--fault", "engine_dead_midstream=20"))
def test_engine_killed_in_midstream(server: Server) -> None:
    real = Exchange.load(RECORDINGS / "fault_engine_killed_midstream.jsonl")
    if "--fault" not in server.argv:
        Thread(target=lambda: (time.sleep(0.4), os.kill(server.engine, signal.SIGKILL))).start()
    ours = server.send(responses(stream=True, max_output_tokens=400, ignore_eos=True))
    assert ours.end == real.end == "eof"
    assert body(ours) == body(real)
    assert not ours.raw.endswith(b"0\r\n\r\n") and not real.raw.endswith(b"0\r\n\r\n")
    for path, request in (("health", Request(path="/health")), ("responses", TEXT)):
        dead, seen = Exchange.load(RECORDINGS / f"fault_engine_dead_{path}.jsonl"), server.send(request)
        assert (seen.status, headers(seen), seen.body) == (dead.status, headers(dead), dead.body)
    # that refused request ends the server, with exit code 0
    assert server.process.wait(2) == 0
    for line in (
        "AsyncLLM output_handler failed.",
        "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue.",
        "ERROR:    Exception in ASGI application",
        "RuntimeError: Caught handled exception, but response already started.",
    ):
        assert line in server.log()


@with_server(*FAST, "--fault", "engine_out_of_memory=5")
def test_engine_out_of_memory(server: Server) -> None:
    assert server.send(TEXT).end == "eof"
    assert "(EngineCore pid=" in server.log() and "torch.OutOfMemoryError: CUDA out of memory" in server.log()


@with_server("--fault", "engine_dead_idle=0.2")
def test_idle_engine_dies(server: Server) -> None:
    assert server.wait_for(lambda: server.get("/health").status == 503)


@with_server(("--fault", "api_server_stalled"), ("--fault", "api_server_stalled_on_request"))
def test_blocked_event_loop(server: Server) -> None:
    silent = server.send(TEXT, first=0.3)
    assert (silent.end, silent.reads) == ("idle", [])
    assert server.get("/health", first=0.2).reads == []
    assert ends(server) < 1


@with_server(*FAST, "--fault", "api_server_stalled_midstream=8")
def test_blocked_event_loop_in_midstream(server: Server) -> None:
    assert len(names(server.send(TEXT, idle=0.8))) == 8
    assert server.get("/health", first=0.3).reads == []


@with_server(*ANY)
def test_long_prefill_burns_cpu(server: Server) -> None:
    before = cpu(server.engine)
    result = server.send(faulty(TEXT, "long_prefill=0.6"))
    first = next(t for t, data in result.reads if b"output_item.added" in data)
    assert 0.5 < first < 3 and names(result)[-1] == "response.completed"
    assert cpu(server.engine) - before > 4


@with_server(*ANY)
def test_slow(server: Server) -> None:
    result = server.send(faulty(responses(stream=True, max_output_tokens=10), "slow=20"))
    # The whole span and not the gaps: a pause of this machine bunches reads. At the server's own speed it is 0.02 s.
    assert result.reads[-1][0] - result.reads[0][0] > 0.25


@with_server("--fault", "first_request_slow=0.4")
def test_first_request_slow(server: Server) -> None:
    times = [next(t for t, data in server.send(TEXT).reads if b"output_item.added" in data) for _ in range(2)]
    assert times[0] > 0.35 > times[1]


@with_server("--fault", "engine_pauses=0.4")
def test_engine_pauses(server: Server) -> None:
    before = cpu(server.engine)
    times = [next(t for t, data in server.send(TEXT).reads if b"output_item.added" in data) for _ in range(2)]
    assert times[0] > 0.35 > times[1]
    assert cpu(server.engine) - before < 20


@with_server("--fault", "queue_saturated")
def test_queue_saturated(server: Server) -> None:
    thread = Thread(target=lambda: server.send(TEXT, idle=0.6))
    thread.start()
    server.wait_for(lambda: counters(server)[1] == 1)
    first = counters(server)
    time.sleep(0.3)
    second = counters(server)
    thread.join()
    assert first[:2] == second[:2] == (4, 1) and second[2] > first[2]


@with_server(*FAST, "--max-num-seqs", "1")
def test_real_queue(server: Server) -> None:
    """--max-num-seqs 1 and another client: the second request waits, then completes."""
    other = Thread(target=lambda: server.send(responses(stream=True, max_output_tokens=300, ignore_eos=True)))
    other.start()
    time.sleep(0.1)
    box: list[Exchange] = []
    mine = Thread(target=lambda: box.append(server.send(TEXT)))
    mine.start()
    time.sleep(0.15)
    assert counters(server)[:2] == (1, 1)
    mine.join()
    other.join()
    assert names(box[0])[-1] == "response.completed"


@with_server("--fault", "kv_cache_exhausted")
def test_kv_cache_exhausted(server: Server) -> None:
    box: list[Exchange] = []
    thread = Thread(target=lambda: box.append(server.send(TEXT, idle=0.6)))
    thread.start()
    server.wait_for(lambda: counters(server)[1] == 1)
    assert counters(server) == (0, 1, 0)
    assert server.metric("vllm:num_requests_waiting_by_reason", reason="capacity") == 1
    thread.join()
    assert names(box[0]) == ["response.created", "response.in_progress"]


@with_server(*FAST, "--fault", "other_traffic")
def test_other_traffic(server: Server) -> None:
    assert names(server.send(TEXT))[-1] == "response.completed"
    assert server.wait_for(lambda: server.metric("vllm:request_success_total") > 3)


@with_server((*ANY, "--dialect", "upstream"), (*ANY, "--dialect", "fork"))
def test_tokens_rise_but_no_event_comes(server: Server) -> None:
    """Three faults at once on the upstream dialect, the incident's on the fork's."""
    request = responses(stream=True, max_output_tokens=3000, seed=..., tools=[ENUM])
    expected = {"tool_call_withheld": 2, "reasoning_hidden": 2, "silent_after=4,long_answer=3000": 4}
    if server.argv[-1] == "fork":
        expected = {"compat_filter,long_answer=3000": 1}
    results: dict[str, Exchange] = {}

    def send(fault: str) -> None:
        plain = request if fault == "tool_call_withheld" else responses(stream=True, max_output_tokens=3000, seed=...)
        results[fault] = server.send(faulty(plain, fault), idle=1.2)

    threads = [Thread(target=send, args=[fault]) for fault in expected]
    for thread in threads:
        thread.start()
    server.wait_for(lambda: counters(server)[0] == len(threads))
    first = counters(server)
    time.sleep(0.1)
    second = counters(server)
    for thread in threads:
        thread.join()
    assert first[0] == second[0] == len(threads) and second[2] > first[2]
    assert {fault: len(names(result)) for fault, result in results.items()} == expected
    assert {result.end for result in results.values()} == {"idle"}


@with_server(*FAST, "--dialect", "fork", "--fault", "compat_filter", "--no-responses-compatibility-mode")
def test_compat_filter_needs_the_flag(server: Server) -> None:
    result = server.send(TOOLS)
    assert result.events()[-1] == ("", "[DONE]")
    assert {"response.completed", "response.tool_call.delta"} <= set(names(result))


@with_server("--dialect", "fork")
def test_fork_refuses_what_openai_does_not_know(server: Server) -> None:
    refused = server.send(responses(top_k=1))
    assert refused.status == 400 and refused.json()["error"]["param"] == "seed"


PINGS = ("--dialect", "fork", "--responses-ping-interval-seconds", "0.2", "--fault", "engine_stalled")


@with_server(PINGS, (*PINGS, "--fault", "ping_lost"))
def test_ping(server: Server) -> None:
    seen = names(server.send(responses(stream=True, seed=...), idle=0.45, total=0.6))
    assert seen[:2] == ["response.created", "response.in_progress"]
    assert seen[2:4] == (["response.ping"] * 2 if server.argv == PINGS else [])


@with_server(*ANY)
def test_runaway_reasoning(server: Server) -> None:
    kinds = set(names(server.send(faulty(LONG, "runaway_reasoning"), total=0.5))[4:])
    assert kinds == {"response.reasoning_text.delta"}


@with_server(*ANY)
def test_output_limit(server: Server) -> None:
    last = server.send(faulty(TEXT, "output_limit=5")).events()[-1]
    assert last[0] == "response.completed"
    assert last[1]["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert last[1]["response"]["usage"]["output_tokens"] == 5


@with_server(*ANY)
def test_truncated(server: Server) -> None:
    result = server.send(faulty(TEXT, "truncated=6"))
    assert result.end == "eof" and len(names(result)) == 6
    assert server.get("/health").status == 200
    assert "ERROR:    Exception in ASGI application" in server.log()


@with_server(*ANY)
def test_bent_streams(server: Server) -> None:
    without = {"missing_done": "response.output_item.done", "missing_terminal": "response.completed"}
    for fault, missing in without.items():
        result = server.send(faulty(TEXT, fault))
        assert result.end == "complete" and missing not in names(result)
    events = server.send(faulty(TEXT, "wrong_ids")).events()
    items = [data["item"]["id"] for name, data in events if "output_item" in name]
    assert items[0] != items[1]
    events = server.send(faulty(TEXT, "lost_deltas=3")).events()
    deltas = "".join(data["delta"] for name, data in events if name.endswith(".delta"))
    text = next(data["text"] for name, data in events if name == "response.output_text.done")
    assert len(deltas) < len(text)
    call = server.send(faulty(TOOLS, "awaiting_tool_output"), idle=0.8)
    assert call.end == "idle" and names(call)[-1] == "response.output_item.done"
    assert counters(server)[0] == 0
    queued = server.send(faulty(TEXT, "queued_first")).events()
    assert [data["sequence_number"] for _, data in queued] == list(range(len(queued)))
    assert [name for name, _ in queued[:2]] == ["response.queued", "response.created"]
    assert server.send(faulty(TEXT, "http_error=429")).status == 429


@with_server((*FAST, "--stream-interval", "5"), ANY)
def test_stream_interval(server: Server) -> None:
    """The flag and the fault; the first token is alone, then one event per interval, as recorded."""
    real = Exchange.load(RECORDINGS / "fault_stream_interval.jsonl")
    assert len([name for name in names(real) if name.endswith("delta")]) == 6
    request = responses(stream=True, max_output_tokens=23, ignore_eos=True)
    result = server.send(faulty(request, "stream_interval=5") if server.argv == ANY else request)
    deltas = [data["delta"] for name, data in result.events() if name.endswith("delta")]
    assert [len(delta.split()) for delta in deltas] == [1, 5, 5, 5, 5, 2]
    assert body(result) == body(real)


@with_server(
    ("--fault", "burst"),
    ("--fault", "middleware_holds"),
    ("--seed", "0", "env:VLLM_DEBUG_LOG_API_SERVER_RESPONSE=true"),
)
def test_burst(server: Server) -> None:
    real = Exchange.load(RECORDINGS / "fault_burst.jsonl")
    result = server.send(responses(stream=True, max_output_tokens=20))
    assert headers(result) == headers(real)
    first, last = result.reads[0][0], result.reads[-1][0]
    assert first > 0.25 and last - first < 0.1
    says = server.argv[-1] != "middleware_holds"
    assert ("WARNING" in server.log() and "CAUTION: Enabling log response in the API Server." in server.log()) == says
    assert (f"response_body={{streaming_started: chunks={len(result.events())}}}" in server.log()) == says


@with_server(*FAST, "--fault", "fixed_chunks=1000")
def test_fixed_chunks(server: Server) -> None:
    result = server.send(TEXT)
    assert {len(chunk) for chunk in result.chunks[:-1]} == {1000}
    assert names(result)[-1] == "response.completed"


@with_server(*FAST, "--fault", "metrics_off")
def test_metrics_off(server: Server) -> None:
    server.send(TEXT)
    assert b"vllm:" not in server.get("/metrics").body


@with_server("--fault", "starting=0.6")
def test_starting(server: Server) -> None:
    """The URL is printed once the port is open."""
    assert server.start_seconds > 0.6
    assert server.get("/health").status == 200


@with_server(*FAST, "--fault", "truncated=4", "--fault-when", "tools")
def test_only_some_requests(server: Server) -> None:
    assert server.send(TEXT).end == "complete"
    assert server.send(TOOLS).end == "eof"


@with_server(*FAST, "--no-tool-parser")
def test_no_tool_parser(server: Server) -> None:
    real = Exchange.load(RECORDINGS / "noparser_chat_auto.jsonl")
    assert "response.output_text.done" in names(server.send(TOOLS))
    refused = server.send(chat(tools=[{"type": "function", "function": {"name": "shell"}}]))
    assert (refused.status, refused.body) == (real.status, real.body)


@with_server(*FAST)
def test_client_leaves(server: Server) -> None:
    """An abandoned request leaves the gauges and no trace in request_success_total, as on the real server."""
    before = server.metric("vllm:request_success_total"), counters(server)[2]
    server.send(LONG, total=0.3)
    assert server.wait_for(lambda: counters(server)[0] == 0)
    assert counters(server)[2] > before[1]
    assert server.metric("vllm:request_success_total") == before[0]


@with_server("--fault", "engine_stalled", "--fault", "lingering_stop")
def test_lingering_stop(server: Server) -> None:
    """With a stalled engine the real server stays until its clients have left."""
    thread = Thread(target=lambda: server.send(TEXT, idle=0.9))
    thread.start()
    assert server.wait_for(lambda: "POST /v1/responses" in server.log())
    server.process.terminate()
    time.sleep(0.6)
    assert server.process.poll() is None
    thread.join()
    assert server.process.wait(2) == 0


@with_server("--enable-server-load-tracking")
def test_sigterm_completes_open_streams(server: Server) -> None:
    """vLLM aborts the request in the engine, and the stream ends with response.completed."""
    box: list[Exchange] = []
    thread = Thread(target=lambda: box.append(server.send(LONG)))
    thread.start()
    server.wait_for(lambda: server.get("/load").json() == {"server_load": 1})
    time.sleep(0.2)
    assert ends(server) < 1
    thread.join()
    assert names(box[0])[-1] == "response.completed" and box[0].end == "complete"


@with_server(*FAST, "env:VLLM_LOG_STATS_INTERVAL=0.2")
def test_stats_line(server: Server) -> None:
    server.send(TEXT)
    assert server.wait_for(lambda: "Engine 000: Avg prompt throughput:" in server.log())
    time.sleep(0.5)
    lines = server.log().count("Engine 000:")
    time.sleep(0.5)
    assert server.log().count("Engine 000:") == lines  # idle: no more lines
