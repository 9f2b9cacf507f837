"""What the server does in the same seconds as a stream: counters, process clocks, ``/health``, GPUs.

One thread per source, so that a source which hangs (``/metrics`` of a blocked server, ``nvidia-smi`` of
a lost GPU) delays no other. Reading one's own lists while a thread appends is safe: lists only grow.
"""

from __future__ import annotations

import threading
from typing import Callable, List, Sequence

from ..bundle import Gpus, GpuSample, Process, ProcessSample, Samples
from .endpoints import get, get_metrics
from .gpu import read_gpus
from .process import sample

#: Seconds between two looks. ``nvidia-smi`` costs the host far more than a line of /proc.
INTERVAL = 1.0
GPU_INTERVAL = 3.0
#: Seconds of silence after which ``/health`` is asked too: what it says beside a flowing stream is nothing new.
HEALTH_AFTER = 1.5


class Sampler:
    """``clock``: seconds since the start of the stream; ``silence``: seconds since its last event.
    ``processes``: the unit's processes whose clocks are read.

    Use as a context manager; ``samples`` can be read at any time.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        silence: Callable[[], float],
        base_url: str,
        api_key: str,
        processes: Sequence[Process],
        gpus: bool = True,
    ) -> None:
        self._clock = clock
        self._silence = silence
        self._base_url = base_url
        self._api_key = api_key
        self._processes = processes
        self._cpu = {process["pid"]: process.get("cpu", 0.0) for process in processes}
        self._ended = threading.Event()
        self.samples = Samples(metrics=[], processes=[], gpus=[], health=[])
        self._threads = [
            threading.Thread(target=self._repeat, args=(look, INTERVAL), daemon=True)
            for look in (self._look_at_counters, self._look_at_health)
        ]
        if processes:
            self._threads.append(
                threading.Thread(target=self._repeat, args=(self._look_at_processes, INTERVAL), daemon=True)
            )
        if gpus:
            self._threads.append(
                threading.Thread(target=self._repeat, args=(self._look_at_gpus, GPU_INTERVAL), daemon=True)
            )

    def __enter__(self) -> Sampler:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(timeout=0.5)  # a hung source must not hold the result; its thread is a daemon
        if self.samples["metrics"] and self.samples["metrics"][-1]["state"] == "ok":
            self._add_counters()  # a stream shorter than the interval needs a second look to show its tokens

    def _repeat(self, look: Callable[[], bool], interval: float) -> None:
        while not self._ended.is_set() and look():
            self._ended.wait(interval)

    def _look_at_counters(self) -> bool:
        self._add_counters()
        return True

    def _look_at_health(self) -> bool:
        if self._silence() > HEALTH_AFTER:
            health = get(self._base_url, "/health", self._api_key, timeout=2.0)
            health["t"] = self._now()
            self.samples["health"].append(health)
        return True

    def _add_counters(self) -> None:
        self.samples["metrics"].append(get_metrics(self._base_url, self._now(), self._api_key, timeout=2.0))

    def _look_at_processes(self) -> bool:
        t = self._now()
        fresh = {process["pid"]: process for process in sample([p["pid"] for p in self._processes])}
        merged: List[Process] = []
        for known in self._processes:
            now = fresh.get(known["pid"])
            if now is not None:
                pid = known["pid"]
                self._cpu[pid] = now.get("cpu", self._cpu[pid])  # the clock of a process that is gone stands
                seen = Process(pid=pid, role=known.get("role", "other"), state=now["state"], cpu=self._cpu[pid])
                if "waited" in now:
                    seen["waited"], seen["runnable"] = now["waited"], now["runnable"]
                merged.append(seen)
        self.samples["processes"].append(ProcessSample(t=t, processes=merged))
        return True

    def _look_at_gpus(self) -> bool:
        t = self._now()
        seen: Gpus = read_gpus(timeout=5.0)
        gpus = GpuSample(t=t, **seen)
        self.samples["gpus"].append(gpus)
        return gpus.get("state") != "absent"  # no nvidia-smi now, none in a second either

    def _now(self) -> float:
        return round(self._clock(), 3)
