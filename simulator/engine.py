"""The engine process, `VLLM::EngineCore`: schedules requests, produces their tokens on a clock, reports its state.

It speaks JSON lines over one inherited socket. Like vLLM's engine core it reports scheduler state only together with
outputs, so that everything the API server shows freezes when this process does.
"""

import ctypes
import json
import os
import select
import signal
import socket
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from setproctitle import setproctitle

from simulator.log import log
from simulator.script import Script, Task, Token, script

KV_BLOCK = 128  # tokens, as in vllm:cache_config_info
KV_BLOCKS = 16384
STATS_EVERY = 0.25  # seconds between reports of a step without tokens (chunked prefill, nothing schedulable)
PR_SET_PDEATHSIG = 1


@dataclass
class Sequence:
    """One request in the engine. Times are time.monotonic() seconds, shared by both processes."""

    id: str
    script: Script
    prompt_tokens: int
    cached_tokens: int
    interval: float  # seconds per token
    prefill: float  # seconds
    queued_at: float
    busy: bool = False
    stall: str = ""
    stall_after: int = 0
    die_after: int = -1
    produced: int = 0
    scheduled_at: float = 0.0
    first_at: float = 0.0
    last_at: float = 0.0
    next_at: float = 0.0

    def blocks(self) -> int:
        return -(-(self.prompt_tokens + self.produced) // KV_BLOCK)


@dataclass
class Output:
    """What one step did for one request; `finish` is empty until the last one."""

    id: str
    tokens: list[Token]
    finish: str
    stop_reason: str | None
    prompt_tokens: int
    cached_tokens: int
    produced: int
    max_tokens: int
    queued_at: float
    scheduled_at: float
    first_at: float
    last_at: float
    now: float


@dataclass
class Stats:
    """The scheduler's state after a step."""

    running: int = 0
    waiting: int = 0
    kv_usage: float = 0.0
    asleep: bool = False


@dataclass
class Engine:
    """The scheduler. `config` is Settings.engine_config()."""

    sock: socket.socket
    wake: socket.socket  # readable once SIGTERM came
    config: dict[str, Any]
    waiting: list[Sequence] = field(default_factory=list)
    running: list[Sequence] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    next_stats: float = 0.0
    started: float = field(default_factory=time.monotonic)
    competitor: int = 0
    paused: bool = False  # once, by a stall of the kind "pause"

    def loop(self) -> None:
        """Run until the API server goes away or asks to stop."""
        for _ in range(self.config["competitors"]):
            self.add_competitor(self.config["competitor_tokens"])
        buffer = b""
        self.report([], ready=True)
        while True:
            ready, _, _ = select.select([self.sock, self.wake], [], [], self.pause())
            if self.wake in ready:
                self.stop()
                return
            if ready:
                data = self.sock.recv(65536)
                if not data:
                    return
                *lines, buffer = (buffer + data).split(b"\n")
                for line in lines:
                    self.receive(json.loads(line))
            self.step()

    def pause(self) -> float:
        """Seconds until something is due."""
        now = time.monotonic()
        due = [seq.next_at for seq in self.running]
        if self.admissible():
            due.append(now)
        if self.stuck() or any(not seq.produced for seq in self.running):
            due.append(self.next_stats)
        if any(seq.busy and not seq.produced for seq in self.running):
            due.append(now + 0.02)
        if self.config["die_at"] >= 0:
            due.append(self.started + self.config["die_at"])
        return max(0.0, min(due, default=now + 3600.0) - now)

    def admissible(self) -> bool:
        free = len(self.running) < self.config["max_num_seqs"]
        return bool(self.waiting) and free and not self.config["kv_exhausted"] and not self.config["asleep"]

    def stuck(self) -> bool:
        return bool(self.waiting) and self.config["kv_exhausted"]

    def receive(self, message: dict[str, Any]) -> None:
        if message["op"] == "abort":
            gone = {message["id"]}
            self.waiting = [seq for seq in self.waiting if seq.id not in gone]
            self.running = [seq for seq in self.running if seq.id not in gone]
            self.report([])
            return
        key, prompt = message["prompt_key"], message["prompt_tokens"]
        cached = prompt // KV_BLOCK * KV_BLOCK if key in self.seen else 0
        if self.config["queue_for"] and not self.seen:
            for _ in range(self.config["max_num_seqs"]):
                self.add_competitor(max(1, int(self.config["queue_for"] * self.config["tokens_per_second"])))
        self.seen.add(key)
        self.waiting.append(
            Sequence(
                id=message["id"],
                script=script(Task(**message["task"])),
                prompt_tokens=prompt,
                cached_tokens=cached,
                queued_at=time.monotonic(),
                **message["manner"],
            )
        )
        self.mishap(self.waiting[-1])

    def add_competitor(self, count: int) -> None:
        """One request of another client for `count` tokens, which the API server only counts."""
        self.competitor += 1
        tokens = [("content", "x")] * count
        interval = 1 / self.config["tokens_per_second"]
        name = f"other-{self.competitor}"
        self.waiting.append(Sequence(name, Script(tokens, "stop"), 200, 0, interval, 0.05, time.monotonic()))

    def mishap(self, seq: Sequence) -> None:
        """Stall or die when this request says so, at the token it says."""
        if seq.die_after == seq.produced:
            self.die()
        if seq.stall and seq.stall_after == seq.produced:
            how, seq.stall = seq.stall, ""
            if words := self.config["stall_words"]:
                log("INFO", "shm_broadcast.py:699", words, "EngineCore")
            if how == "stop":
                os.kill(os.getpid(), signal.SIGSTOP)
            while how == "block":
                time.sleep(self.config["stall_seconds"] or 3600)
                if self.config["stall_seconds"]:
                    self.die()
            if how == "pause" and not self.paused:
                self.paused = True
                time.sleep(self.config["stall_seconds"])
            while how == "spin":
                pass

    def die(self) -> None:
        if words := self.config["last_words"]:
            log("ERROR", "core.py:1231", words, "EngineCore")
        os.kill(os.getpid(), signal.SIGKILL)

    def step(self) -> None:
        """Admit what fits, produce what is due, report."""
        now = time.monotonic()
        if 0 <= self.config["die_at"] <= now - self.started:
            self.die()
        if self.config["asleep"]:
            return
        while self.admissible():
            seq = self.waiting.pop(0)
            seq.scheduled_at, seq.next_at = now, now + seq.prefill
            self.running.append(seq)
        outputs = [self.produce(seq, now) for seq in self.running if seq.next_at <= now]
        self.running = [seq for seq in self.running if seq.produced < len(seq.script.tokens)]
        if outputs or (self.next_stats <= now and (self.stuck() or self.running)):
            self.report(outputs)
        for seq in [seq for seq in self.running if any(out.id == seq.id for out in outputs)]:
            self.mishap(seq)
        for out in outputs:
            if out.finish and out.id.startswith("other-") and self.config["competitors"]:
                self.add_competitor(self.config["competitor_tokens"])
        if any(seq.busy and not seq.produced for seq in self.running):
            burn(0.01)

    def produce(self, seq: Sequence, now: float) -> Output:
        first = not seq.produced
        token = seq.script.tokens[seq.produced]
        seq.produced += 1
        done = seq.produced == len(seq.script.tokens)
        out = Output(
            id=seq.id,
            tokens=[token],
            finish=seq.script.finish if done else "",
            stop_reason=seq.script.stop_reason if done else None,
            prompt_tokens=seq.prompt_tokens,
            cached_tokens=seq.cached_tokens,
            produced=seq.produced,
            max_tokens=len(seq.script.tokens),
            queued_at=seq.queued_at,
            scheduled_at=seq.scheduled_at,
            first_at=now if first else seq.first_at,
            last_at=seq.last_at,
            now=now,
        )
        seq.first_at = out.first_at
        seq.last_at = now
        # keep the pace of the clock, but never try to catch up after a stop
        seq.next_at = max(seq.next_at + seq.interval, now)
        return out

    def report(self, outputs: list[Output], ready: bool = False) -> None:
        """Send a step's outputs and the state after it; `ready` marks the one that only says that the engine is up."""
        blocks = sum(seq.blocks() for seq in self.running)
        usage = 0.998 if self.config["kv_exhausted"] else blocks / (KV_BLOCKS - 1)
        stats = Stats(len(self.running), len(self.waiting), usage, self.config["asleep"])
        message = {"outputs": [asdict(out) for out in outputs], "stats": asdict(stats), "ready": ready}
        self.sock.sendall(json.dumps(message).encode() + b"\n")
        self.next_stats = time.monotonic() + STATS_EVERY

    def stop(self) -> None:
        """vLLM's shutdown mode "abort": requests in flight end with finish reason abort."""
        log("INFO", "core.py:1454", "[shutdown] EngineCore: trigger received signal=SIGTERM", "EngineCore")
        log("INFO", "core.py:1635", "[shutdown] EngineCore: start mode=abort timeout=0s", "EngineCore")
        unfinished = [*self.running, *self.waiting]
        if unfinished:
            text = f"[shutdown] EngineCore: aborting in-flight requests count={len(unfinished)}"
            log("INFO", "core.py:1644", text, "EngineCore")
        now = time.monotonic()
        self.running, self.waiting = [], []
        self.report(
            [
                Output(seq.id, [], "abort", None, seq.prompt_tokens, seq.cached_tokens, seq.produced, seq.produced,
                       seq.queued_at, seq.scheduled_at, seq.first_at, seq.last_at, now)
                for seq in unfinished
            ]
        )  # fmt: skip
        text = "[shutdown] EngineCore: request processing complete; starting resource teardown"
        log("INFO", "core.py:1666", text, "EngineCore")


def burn(seconds: float) -> None:
    """Use CPU time, as a prefill on a CPU does; the caller sleeps between two of these."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def main() -> None:
    # A stopped engine would outlive its parent: let the kernel end it.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    setproctitle("VLLM::EngineCore")
    wake, waker = socket.socketpair()
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.fileno())
    signal.signal(signal.SIGTERM, lambda *_: None)  # the byte in `wake` is the message
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Engine(socket.socket(fileno=int(sys.argv[1])), wake, json.loads(sys.argv[2])).loop()


if __name__ == "__main__":
    main()
