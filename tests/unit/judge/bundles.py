"""Bundles to judge: small ones made here with healthy defaults, and those of real runs (tests/data/bundles).

Everything is plain JSON data, fresh on every call, so a test may change what it got.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path

from streamdiag.bundle import stream_name
from streamdiag.judge.facts import gather
from streamdiag.judge.silence import longest_silence, standing
from streamdiag.store import Bundle, load

REAL = Path(__file__).resolve().parents[2] / "data" / "bundles"
#: Condition of the host -> status, primary cause and confidence that issue 2 asks for.
EXPECTED = {
    "healthy": ("healthy", None, "high"),
    "healthy-trixie": ("healthy", None, "high"),
    "engine-stopped": ("broken", "engine_stalled", "high"),
    "worker-stopped": ("broken", "engine_stalled", "high"),
    "engine-killed": ("broken", "engine_dead", "high"),
    "api-server-stopped": ("broken", "api_server_stalled", "high"),
    "unit-stopped": ("broken", "service_down", "high"),
    "crash-loop": ("broken", "crash_loop", "high"),
    "api-key": ("broken", "auth_rejected", "high"),
    "unknown-model": ("broken", "request_rejected", "high"),
    "host-unreachable": ("unreachable", None, "high"),
}

AT = 1795377041.0  # when the target was looked at
MAIN, ENGINE, WORKER = 74, 132, 161
PIDS = ((MAIN, "main"), (ENGINE, "engine_core"), (WORKER, "worker"))
OK = {"state": "ok", "reason": ""}


def real(condition):
    return load(REAL / condition)


# Parts of a stream


def event(t, name, read=0, **data):
    data = {"type": name, **data}
    text = json.dumps(data)
    return {"t": t, "read": read, "name": name, "size": len(text) + 20, "data": text, "data_bytes": len(text)}


def preamble(t=0.1):
    begun = {"id": "resp_1", "status": "in_progress", "output": []}
    return [event(t, "response.created", response=begun), event(t + 0.01, "response.in_progress", response=begun)]


def text_events(start=0.2, step=0.1, deltas=4, end="response.completed", word="one ", **response):
    """A whole answer: preamble, ``deltas`` deltas, the terminal event ``end``; ``response`` goes into the latter."""
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": word * deltas, "annotations": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    begun = {**item, "status": "in_progress", "content": []}
    last = start + step * deltas
    found = preamble()
    found.append(event(start, "response.output_item.added", output_index=0, item=begun))
    found.append(event(start, "response.content_part.added", **place, part={**part, "text": ""}))
    found += [event(start + step * n, "response.output_text.delta", **place, delta=word) for n in range(deltas)]
    if end:
        found.append(event(last, "response.output_text.done", **place, text=part["text"]))
        found.append(event(last, "response.content_part.done", **place, part=part))
        found.append(event(last, "response.output_item.done", output_index=0, item=item))
        whole = {"id": "resp_1", "status": "completed", "output": [item], **response}
        found.append(event(last, end, response=whole))
    return found


def counters(t, tokens=100.0, running=0.0, waiting=0.0, **more):
    sample = {
        "t": t,
        **OK,
        "running": running,
        "waiting": waiting,
        "kv_cache_usage": 0.0,
        "generation_tokens": tokens,
        "prompt_tokens": 16.0,
        "preemptions": 0.0,
        "successes": {},
        "awake": 1.0,
    }
    return {**sample, **more}


def no_counters(t):
    return {"t": t, "state": "failed", "reason": "timed out"}


def clocks(t, cpu=0.0, state="S", pids=PIDS, waited=None):
    """One sample of process clocks. ``cpu``: of each process but the main one, ``state``: of the engine core.
    ``waited``: role -> seconds; None: a kernel that does not count them, or an older bundle.
    """
    found = [
        {
            "pid": pid,
            "role": role,
            "state": state if role == "engine_core" else "S",
            "cpu": 5.0 if pid == MAIN else cpu,
        }
        for pid, role in pids
    ]
    for one in found if waited is not None else []:
        one.update(waited=7.0 + waited.get(one["role"], 0.0), runnable=int(waited.get(one["role"], 0.0) > 0))
    return {"t": t, "processes": found}


def samples(seconds, tokens=100.0, rate=0.0, cpu_rate=0.0, state="S", health=200, waits=None, **gauges):
    """One sample a second. ``rate``: tokens per second; ``cpu_rate``: CPU seconds per second.
    ``waits``: role -> seconds that it waits for a CPU per second.
    """
    times = range(int(seconds) + 1)
    answer = (
        {**OK, "http_status": health} if health else {"state": "failed", "reason": "timed out", "http_status": None}
    )
    return {
        "metrics": [counters(float(t), tokens + rate * t, **gauges) for t in times],
        "processes": [clocks(float(t), cpu_rate * t, state, waited=waited(waits, t)) for t in times],
        "gpus": [],
        "health": [{"t": float(t), "path": "/health", "seconds": 0.01, "body": "", **answer} for t in times if t],
    }


def waited(waits, t):
    return None if waits is None else {role: share * t for role, share in waits.items()}


def stream(case="simple", events=None, how="closed", t=None, **more):
    """One stream; without more words a whole and quick answer. ``t``: when it ended."""
    events = text_events() if events is None else events
    end = t if t is not None else (events[-1]["t"] if events else 0.2) + 0.01
    found = {
        "bundle_version": 1,
        "case": case,
        "variant": "",
        "at": AT + 1,
        "method": "POST",
        "url": "http://127.0.0.1:8000/v1/responses",
        "request_headers": {"accept": "text/event-stream"},
        "request_body": {"model": "tiny", "stream": True, "max_output_tokens": 128},
        "request_bytes": 60,
        "deadlines": {"silence": 30.0, "total": 150.0},
        "t_connect": 0.01,
        "t_headers": 0.05,
        "http_status": 200,
        "response_headers": {"content-type": "text/event-stream; charset=utf-8"},
        "body": "",
        "reads": [{"t": e["t"], "size": e["size"]} for e in events],
        "pieces": [{"t": e["t"], "size": e["size"], "read": n} for n, e in enumerate(events)],
        "events": [dict(e, read=n) for n, e in enumerate(events)],
        "comments": [],
        "bytes": sum(e["size"] for e in events),
        "dropped_events": 0,
        "unparsed": "",
        "end": {"t": end, "how": how, "deadline": "", "reason": "the server ended the answer"},
        "canary": None,
        "samples": samples(1, tokens=100.0, rate=50.0, cpu_rate=0.9),
        "retried": [],
    }
    if how == "deadline":
        found["end"].update(deadline="silence", reason="no event in 30 s")
    return {**found, **more}


def canary(events=None, how="stopped", t=3.5, **more):
    found = stream("canary", preamble(0.02) if events is None else events, how=how, t=t)
    del found["samples"]
    return {**found, "sent_at": 2.5, **more}


def reasoning_events(start=0.2, step=0.1, deltas=20, end="response.completed", say="hm {} ".format, **response):
    """A thought of ``deltas`` deltas and no word after it. ``say``: what each of them says, by its number."""
    place = {"item_id": "rs_1", "output_index": 0, "content_index": 0}
    text = "".join(map(say, range(deltas)))
    item = {"id": "rs_1", "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": text}]}
    last = start + step * deltas
    found = preamble()
    found.append(event(start, "response.output_item.added", output_index=0, item={**item, "content": []}))
    found.append(event(start, "response.content_part.added", **place, part={"type": "reasoning_text", "text": ""}))
    found += [event(start + step * n, "response.reasoning_text.delta", **place, delta=say(n)) for n in range(deltas)]
    if end:
        found.append(event(last, "response.reasoning_text.done", **place, text=text))
        found.append(event(last, "response.content_part.done", **place, part=item["content"][0]))
        found.append(event(last, "response.output_item.done", output_index=0, item=item))
        found.append(event(last, end, response={"id": "resp_1", "status": "completed", "output": [item], **response}))
    return found


def call_events(start=0.2, step=0.1, end="response.completed", **response):
    """A whole function call in three deltas; ``end`` "" for a stream that goes no further."""
    place, pieces = {"item_id": "fc_1", "output_index": 0}, ['{"pa', 'th": ', '"."}']
    item = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "list_files", "arguments": ""}
    whole = {**item, "arguments": "".join(pieces)}
    last = start + step * 3
    found = preamble()
    found.append(event(start, "response.output_item.added", output_index=0, item=item))
    found += [
        event(start + step * n, "response.function_call_arguments.delta", **place, delta=piece)
        for n, piece in enumerate(pieces)
    ]
    found.append(event(last, "response.function_call_arguments.done", **place, arguments=whole["arguments"]))
    found.append(event(last, "response.output_item.done", output_index=0, item=whole))
    if end:
        found.append(event(last, end, response={"id": "resp_1", "status": "completed", "output": [whole], **response}))
    return found


def empty_events(at=0.3, **response):
    """It ends at once and well, and nothing was streamed."""
    return [*preamble(), event(at, "response.completed", response={"id": "resp_1", "output": [], **response})]


def used(tokens, limit=None):
    """Of a final response: how many tokens it has, and what cut it."""
    return {"usage": {"output_tokens": tokens}, "incomplete_details": {"reason": limit} if limit else None}


CUT = "max_output_tokens"


def asked(tokens):
    """The request of a stream; ``tokens`` None: without a limit, as Codex sends it."""
    body = {"model": "tiny", "stream": True}
    return {"request_body": body if tokens is None else {**body, "max_output_tokens": tokens}}


def stalled(case="simple", seconds=7.0, events=None, how="stopped", **more):
    """``response.created``, ``response.in_progress``, and nothing moves: the incident."""
    found = stream(case, preamble() if events is None else events, how=how, t=seconds, samples=samples(seconds))
    found["end"]["reason"] = "nothing moves"
    found["canary"] = canary()
    return {**found, **more}


def refused(case="simple", reason="ConnectError: [Errno 111] Connection refused"):
    found = stream(case, [], how="refused", t=0.05, t_connect=None, t_headers=None, http_status=None)
    found.update(response_headers={}, samples={"metrics": [], "processes": [], "gpus": [], "health": []})
    found["end"]["reason"] = reason
    return found


def mute(case="simple", seconds=30.0, health=0):
    """Connected, and not a single header; ``health``: what /health answered meanwhile, 0 for nothing."""
    found = stream(case, [], how="deadline", t=seconds, t_headers=None, http_status=None, response_headers={})
    found["end"].update(deadline="headers", reason="no headers in 30 s")
    found["samples"] = samples(seconds, health=health)
    if not health:
        found["samples"]["metrics"] = [no_counters(float(t)) for t in range(int(seconds))]
    return found


def public(variant="", events=None, **more):
    """The same simple stream through the public URL."""
    return stream("public", events, variant=variant, url="https://llm.example.org/v1/responses", **more)


def chat(**more):
    """A whole chat stream, or with ``how`` and ``t`` a silent one."""
    kinds = [{"content": "one "}] * 6
    chunks = [{"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": d}]} for d in kinds]
    chunks.append({**chunks[0], "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    texts = [*map(json.dumps, chunks), "[DONE]"]
    events = [dict(event(0.1 * n, "message"), data=text, data_bytes=len(text)) for n, text in enumerate(texts, 1)]
    body = {"model": "tiny", "stream": True, "max_tokens": 128}
    given = {"url": "http://127.0.0.1:8000/v1/chat/completions", "request_body": body, **more}
    return stream("chat", given.pop("events", events), **given)


def nonstream():
    """The answer in one piece."""
    body = {"model": "tiny", "stream": False, "max_output_tokens": 128}
    answer = {"content-type": "application/json"}
    return stream("nonstream", [], body='{"id": "resp_1"}', request_body=body, response_headers=answer)


def rejected(status, body="", case="simple"):
    return stream(case, [], http_status=status, body=body, response_headers={"content-type": "application/json"})


def truncated(case="simple", reason="RemoteProtocolError: peer closed connection", **more):
    found = stream(case, text_events(end=""), how="error", **more)
    found["end"]["reason"] = reason
    return found


# The other parts


def process(pid, role, state="S", **more):
    found = {"pid": pid, "ppid": 1, "role": role, "title": role, "argv": [role], "state": state, "cpu": 9.0}
    return {**found, "rss_bytes": 6 * 10**8, "started_at": AT - 3600.0, "threads": 9, **more}


def processes(pids=PIDS, **states):
    return {**OK, "processes": [process(pid, role, states.get(role, "S")) for pid, role in pids]}


def unit(active="active", sub="running", restarts=0, result="success", **more):
    properties = {"Id": "vllm.service", "LoadState": "loaded", "ActiveState": active, "SubState": sub}
    properties.update(MainPID=str(MAIN if active == "active" else 0), NRestarts=str(restarts), Result=result)
    return {**OK, "name": "vllm.service", "properties": {**properties, "ExecMainStatus": "0", **more}}


def answer(status=200, seconds=0.01, body=""):
    return {**OK, "path": "", "http_status": status, "seconds": seconds, "body": body}


def no_answer(reason="ReadTimeout: no answer within 3 s"):
    return {"state": "failed", "reason": reason, "path": "", "http_status": None, "seconds": 3.0, "body": ""}


def endpoints(health=None):
    return {"/health": health or answer(), "/v1/models": answer(), "/version": answer(), "/load": answer()}


def socket(local="0.0.0.0:8000", pid=MAIN, state="LISTEN"):
    row = {"local": local, "peer": "0.0.0.0:0", "state": state, "pid": pid}
    return {**row, "recv_queue_bytes": 0, "send_queue_bytes": 0}


def gpu(index=0, **more):
    row = {"index": index, "name": "NVIDIA H100 80GB HBM3", "uuid": f"GPU-{index}", "utilization_percent": 3.0}
    row.update(memory_used_bytes=77 * 10**9, memory_total_bytes=85 * 10**9, temperature_celsius=34.0)
    return {**row, "ecc_uncorrected": 0, "throttle_reasons": [], "processes": [], **more}


def target(**more):
    found = {
        "bundle_version": 1,
        "at": AT,
        "observer": {
            "user": "root",
            "uid": 0,
            "groups": ["root"],
            "become": True,
            "python": "3.11",
            "hostname": "gpu43",
        },
        "unit": unit(),
        "processes": processes(),
        "sockets": {**OK, "listening": [socket()], "connections": []},
        "endpoints": endpoints(),
        "base_url": "http://127.0.0.1:8000",
        "base_url_source": "argv",
        "public_url": "",
        "model": "tiny",
        "model_source": "served",
        "served_models": ["tiny"],
        "vllm_version": "0.32.0",
        "flags": {"max-model-len": "32768"},
        "argv": ["python", "-m", "vllm.entrypoints.openai.api_server"],
        "environment": {},
        "environment_state": dict(OK),
        "compat_mode": "unsupported",
        "metrics": counters(0.0),
    }
    return {**found, **more}


def machine(**more):
    found = {k: v for k, v in target().items() if k in ("bundle_version", "observer", "unit", "processes", "endpoints")}
    found.update(at=AT + 60, sockets={**OK, "listening": [socket()], "connections": []}, metrics=counters(0.0))
    found["gpus"] = {**OK, "driver_version": "575.57.08", "gpus": [gpu()]}
    return {**found, **more}


def line(text, at=AT + 2, pid=MAIN):
    return {"at": at, "pid": pid, "priority": 6, "text": text}


def log(*lines, **more):
    """A log that was read; lines are texts or whole ``line(...)``s."""
    found = [one if isinstance(one, dict) else line(one) for one in lines]
    return {**OK, "since": AT - 120, "lines": found, "dropped": 0, **more}


def denied(reason="journal not readable as probe: not root, not in group systemd-journal or adm"):
    return {"state": "denied", "reason": reason, "since": AT - 120, "lines": [], "dropped": 0}


def journal(*lines, kernel=()):
    return {"unit": log("INFO:     Application startup complete.", *lines), "kernel": log(*kernel)}


def run(**more):
    found = {
        "bundle_version": 1,
        "run_id": "20261122T195222Z",
        "host": "gpu43",
        "started_at": "2026-11-22T19:52:22Z",
        "finished_at": "2026-11-22T19:52:40Z",
        "tool_version": "0.1.0",
        "unreachable": "",
        "errors": [],
        "skipped_cases": {},
    }
    return {**found, **more}


def bundle(*streams, **parts):
    """A bundle; without more words a healthy one of three streams. ``parts``: run, target, machine, journal."""
    sent = streams or (stream("simple"), stream("tools"), stream("codex"))
    found = {"run": run(), "target": target(), "machine": machine(), "journal": journal(), "stall": None, **parts}
    streams = {stream_name(one): one for one in sent}
    names = ["run.json", "target.json", "machine.json", "journal.json"] + [f"stream-{name}.json" for name in streams]
    return Bundle(streams=streams, digests={f"evidence/{n}": "0" * 64 for n in names}, **found)


def nothing_sent(**parts):
    return bundle(**parts)._replace(streams={})


def fresh(one):
    """A copy that may be changed."""
    return Bundle(*copy.deepcopy(tuple(one)))


def standing_of(one_stream):
    """The witnesses of the longest silence of ``one_stream``."""
    silence = longest_silence(one_stream)
    return standing(one_stream, silence)


def facts(*streams, **parts):
    return gather(bundle(*streams, **parts))
