"""Lines as they stand in real journals -> what they mean; and lines that only look like it."""

from __future__ import annotations

import pytest

from streamdiag.judge.logs import KERNEL_MEANINGS, TROUBLE, UNIT_MEANINGS, classify, read_logs
from tests.unit.judge.bundles import denied, line, log

API = "(APIServer pid=74) "
CORE = "(EngineCore pid=132) "
OLD = "(EngineCore_DP0 pid=132) "
ERROR = "ERROR 11-22 19:53:03 [async_llm.py:906] "
INFO = "INFO 11-22 19:53:03 [logger.py:42] "

UNIT_LINES = [
    (
        "stats",
        API + "INFO 11-22 19:52:36 [loggers.py:335] Engine 000: Avg prompt throughput: 1606.6 tokens/s, "
        "Avg generation throughput: 30.6 tokens/s, Running: 0 reqs, Waiting: 0 reqs, CPU KV cache usage: 0.0%",
    ),
    ("stats", API + "INFO 11-22 19:52:36 [loggers.py:335] 2 Engines Aggregated: Avg prompt throughput: 1.0 tokens/s"),
    (
        "worker_wait",
        CORE + "INFO 11-22 19:53:03 [shm_broadcast.py:501] No available shared memory broadcast block found"
        " in 60 seconds. This typically happens when some processes are hanging or doing some time-consuming work.",
    ),
    (
        "worker_wait",
        OLD + "WARNING 07-01 10:00:00 [shm_broadcast.py:466] No available shared memory broadcast block found"
        " in 60 second.",
    ),
    ("rpc_timeout", CORE + ERROR + "TimeoutError: RPC call to sample_tokens timed out."),
    ("rpc_timeout", "TimeoutError: RPC call to execute_model timed out."),
    ("engine_dead", API + ERROR + "AsyncLLM output_handler failed."),
    (
        "engine_dead",
        API + ERROR + "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. "
        "See stack trace (above) for the root cause.",
    ),
    ("engine_dead", "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue."),
    ("engine_dead", CORE + "ERROR 11-22 19:53:03 [core.py:710] EngineCore encountered a fatal error."),
    ("engine_dead", OLD + "ERROR 11-22 19:53:03 [core.py:700] EngineCore failed to start."),
    (
        "engine_dead",
        CORE + "ERROR 11-22 19:53:03 [multiproc_executor.py:230] Worker proc VllmWorker-1 died unexpectedly, "
        "shutting down executor.",
    ),
    ("engine_dead", API + ERROR + "Engine core proc EngineCore_DP0 died unexpectedly, shutting down client."),
    ("engine_dead", "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}"),
    ("out_of_memory", CORE + ERROR + "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."),
    ("out_of_memory", "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 79 GiB"),
    ("cuda_error", CORE + ERROR + "RuntimeError: CUDA error: an illegal memory access was encountered"),
    ("cuda_error", "torch.AcceleratorError: CUDA error: unspecified launch failure"),
    (
        "cuda_error",
        "/pytorch/aten/src/ATen/native/cuda/Indexing.cu:1289: device-side assert triggered",
    ),
    (
        "nccl",
        "[rank1]:[E1122 19:53:03.1 ProcessGroupNCCL.cpp:616] [Rank 1] Watchdog caught collective operation timeout: "
        "WorkNCCL(SeqNum=8, OpType=ALLREDUCE, Timeout(ms)=600000) ran for 600041 milliseconds before timing out.",
    ),
    (
        "tool_parser",
        API + "ERROR 11-22 19:53:03 [hermes_tool_parser.py:128] Error in extracting tool call from response.",
    ),
    (
        "tool_parser",
        API + "ERROR 11-22 19:53:03 [hermes_tool_parser.py:420] Error trying to handle streaming tool call.",
    ),
    (
        "harmony",
        'openai_harmony.HarmonyError: unexpected tokens remaining in message header: Some("to=functions.shell")',
    ),
    ("asgi", "ERROR:    Exception in ASGI application"),
    (
        "debug_buffering",
        API + "WARNING 11-22 19:53:03 [api_server.py:2000] CAUTION: Enabling log response in the API Server. "
        "This can include sensitive information and should be avoided in production.",
    ),
    ("debug_buffering", API + INFO + "response_body={streaming_started: content='Hi', chunks=12}"),
    ("request", API + INFO + "Received request resp_1: params: SamplingParams(n=1), lora_request: None."),
    ("request", API + INFO + "Added request resp_1."),
    ("request", API + INFO + "Request resp_1 aborted."),
    ("request", API + INFO + "Generated response resp_1 (streaming complete): output: 'Hi', finish_reason: stop"),
    ("usage_error", "api_server.py: error: unrecognized arguments: --no-such-flag"),
    ("usage_error", "vllm: error: unrecognized arguments: --no-such-flag"),
    ("usage_error", "vllm serve: error: argument --port: invalid int value: 'x'"),
    ("usage_error", "api_server.py: error: argument --port: invalid int value: 'x'"),
    ("exit", "vllm.service: Main process exited, code=exited, status=2/INVALIDARGUMENT"),
    ("exit", "vllm.service: Failed with result 'exit-code'."),
    ("restart", "vllm.service: Scheduled restart job, restart counter is at 2."),
    ("stop", "Stopping vllm.service - vLLM OpenAI-compatible server..."),
    ("stop", "Stopped vllm.service - vLLM OpenAI-compatible server."),
    ("traceback", API + ERROR + "Traceback (most recent call last):"),
    ("traceback", API + ERROR + "Something nobody has seen before"),
    ("traceback", "ERROR 07-01 10:00:00 [serving_chat.py:60] Error in preprocessing prompt inputs"),
]


def _meanings(text, meanings=UNIT_MEANINGS):
    return list(classify([line(text)], meanings))


@pytest.mark.parametrize(("meaning", "text"), UNIT_LINES, ids=[f"{m}-{n}" for n, (m, _t) in enumerate(UNIT_LINES)])
def test_line_of_the_unit(meaning, text):
    assert _meanings(text) == [meaning]


def test_every_meaning_has_a_real_line():
    assert {m.id for m in UNIT_MEANINGS} == {meaning for meaning, _text in UNIT_LINES}


_WORDS = (
    "torch.OutOfMemoryError: CUDA out of memory",
    "CUDA error: device-side assert",
    "EngineDeadError",
    "EngineCore encountered a fatal error",
    "RPC call to execute_model timed out",
    "HarmonyError",
    "Exception in ASGI application",
    "Traceback (most recent call last):",
    "Watchdog caught collective operation timeout",
    "Error in extracting tool call from response",
)
LOOK_ALIKES = [
    *[
        API + INFO + f"Received request resp_1: prompt: 'What does {words} mean?', params: SamplingParams(n=1)"
        for words in _WORDS
    ],
    *[API + INFO + f"Generated response resp_1 (streaming complete): output: 'It is {words}'" for words in _WORDS],
    *[CORE + f"DEBUG 11-22 19:53:03 [core.py:1] seen: {words}" for words in _WORDS],
    API + "INFO 11-22 19:49:38 [api_utils.py:280] non-default args: {'model': '/opt/models/MemoryError', 'port': 8000}",
    'INFO:     127.0.0.1:5000 - "GET /v1/responses?q=CUDA+error: HTTP/1.1" 404 Not Found',
    "usage: api_server.py [-h] [--headless] [--api-server-count API_SERVER_COUNT]",
    "usage: vllm serve [model_tag] [options]",
    "  --max-log-len MAX_LOG_LEN  Max number of prompt characters printed; errors are logged at ERROR",
    "INFO:     Application startup complete.",
    "INFO:     Shutting down",
    "Started vllm.service - vLLM OpenAI-compatible server.",
    "vllm.service: Deactivated successfully.",
    "vllm.service: Consumed 27.801s CPU time.",
    API + "INFO 11-22 19:49:38 [launcher.py:195] Route: /v1/responses, Methods: POST",
    "nanobind: leaked 4 instances!",
    "(APIServer pid=74) WARNING 11-22 19:49:38 [vllm.py:1703] Enforce eager set, disabling CUDAGraphs.",
]


@pytest.mark.parametrize("text", LOOK_ALIKES, ids=range(len(LOOK_ALIKES)))
def test_a_line_that_only_mentions_the_words_is_no_trouble(text):
    assert not TROUBLE & set(_meanings(text))


KERNEL_LINES = [
    ("xid", "NVRM: Xid (PCI:0000:17:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus."),
    ("xid", "NVRM: Xid (PCI:0000:17:00): 94, pid=412071, name=VLLM::Worker_TP, Contained: SM (0x1). RST: No"),
    ("oom_kill", "Out of memory: Killed process 132 (VLLM::EngineCor) total-vm:9000kB, anon-rss:8000kB, UID:998"),
    ("oom_kill", "Memory cgroup out of memory: Killed process 132 (VLLM::EngineCor) total-vm:9000kB, anon-rss:8000kB"),
    (
        "oom_kill",
        "oom-kill:constraint=CONSTRAINT_MEMCG,task_memcg=/system.slice/vllm.service,task=VLLM::EngineCor,pid=132,uid=998",
    ),
    ("oom_kill", "oom_reaper: reaped process 132 (VLLM::EngineCor), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB"),
]


@pytest.mark.parametrize(("meaning", "text"), KERNEL_LINES)
def test_line_of_the_kernel(meaning, text):
    assert _meanings(text, KERNEL_MEANINGS) == [meaning]


@pytest.mark.parametrize(
    "text",
    [
        "NVRM: loading NVIDIA UNIX x86_64 Kernel Module  575.57.08",
        "nvidia-uvm: Loaded the UVM driver",
        "page allocation failure: order:4, mode:0x40cc0",
        "systemd[1]: vllm.service: Deactivated successfully.",
    ],
)
def test_a_usual_line_of_the_kernel_means_nothing(text):
    assert _meanings(text, KERNEL_MEANINGS) == []


def test_lines_of_one_meaning_are_kept_in_order():
    found = classify(
        [line("Added request a", at=5.0), line("no meaning", at=6.0), line("Added request b", at=7.0)], UNIT_MEANINGS
    )
    assert (len(found["request"].lines), found["request"].first, found["request"].last) == (2, 5.0, 7.0)


def test_a_log_that_was_not_read_is_not_an_empty_one():
    assert read_logs(None).unreadable == "the journal was not gathered"
    assert read_logs(None).kernel_unreadable == "the kernel log was not gathered"
    assert "not root" in read_logs({"unit": denied(), "kernel": log()}).unreadable
    assert read_logs({"unit": log(), "kernel": log()}).unreadable == ""


def test_a_log_that_shows_only_some_users_lines_is_not_a_read_one():
    # That is what journalctl gives a user without access to the system's journal: his own processes' lines.
    partly = log("INFO:     Application startup complete.", reason="only messages of vllm's own processes: not root")
    assert "not root" in read_logs({"unit": partly, "kernel": log()}).unreadable
