"""A logits processor for vLLM's `--logits-processors` under which a model never ends its turn by itself."""

from __future__ import annotations

from typing import Any

import torch  # type: ignore[import-not-found]
from vllm.v1.sample.logits_processor import LogitsProcessor  # type: ignore[import-not-found]


class Endless(LogitsProcessor):  # type: ignore[misc]
    """Forbids the end of the turn, except where a grammar allows nothing else."""

    def __init__(self, vllm_config: Any, device: Any, is_pin_memory: bool) -> None:
        ends = vllm_config.model_config.hf_config.eos_token_id
        self.ends = [ends] if isinstance(ends, int) else list(ends)

    def is_argmax_invariant(self) -> bool:
        """It changes which token is the most likely one."""
        return False

    def update_state(self, batch_update: Any) -> None:
        """The same for every request."""

    def apply(self, logits: Any) -> Any:
        """One row per request."""
        without = logits.clone()
        without[:, self.ends] = float("-inf")
        goes_on = ~torch.isneginf(without).all(dim=1)
        logits[goes_on] = without[goes_on]
        return logits
