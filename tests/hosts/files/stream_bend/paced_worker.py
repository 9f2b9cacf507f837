"""A worker for vLLM's `--worker-cls` that takes its time: `pace.json` beside this file says how long a step takes."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from vllm.v1.worker.cpu_worker import CPUWorker  # type: ignore[import-not-found]

CONTROL = Path(__file__).with_name("pace.json")


class PacedWorker(CPUWorker):  # type: ignore[misc]
    """Sleeps before each step of the engine, as it would wait for a slow device; a long prompt takes several steps."""

    def execute_model(self, scheduler_output: Any) -> Any:
        """One step: a token for each running request, or a part of a prompt."""
        if scheduler_output.total_num_scheduled_tokens and CONTROL.exists():
            time.sleep(json.loads(CONTROL.read_text())["seconds_per_step"])
        return super().execute_model(scheduler_output)
