"""A logits processor for vLLM's `--logits-processors` under which a grammar's output has no needless blanks.

A model with random weights pads the JSON of its tool call until the token limit cuts the call. vLLM's own
`--structured-outputs-config.disable_any_whitespace` has no effect on the tool calls of `/v1/responses` (0.32.0:
16 of 60 were cut with it, as without).
"""

from __future__ import annotations

from typing import Any

import torch  # type: ignore[import-not-found]
from vllm.tokenizers import cached_tokenizer_from_config  # type: ignore[import-not-found]
from vllm.v1.sample.logits_processor import LogitsProcessor  # type: ignore[import-not-found]
from vllm.v1.sample.logits_processor.builtin import process_dict_updates  # type: ignore[import-not-found]


class CompactCalls(LogitsProcessor):  # type: ignore[misc]
    """Forbids blanks in requests that have a grammar, except where the grammar allows nothing else."""

    def __init__(self, vllm_config: Any, device: Any, is_pin_memory: bool) -> None:
        tokenizer = cached_tokenizer_from_config(vllm_config.model_config)
        self.blanks = [token for token in range(len(tokenizer)) if tokenizer.decode([token]).isspace()]
        self.with_grammar: dict[int, bool] = {}  # by row of the batch

    def is_argmax_invariant(self) -> bool:
        """It changes which token is the most likely one."""
        return False

    def update_state(self, batch_update: Any) -> None:
        """Remember which rows have a grammar."""
        process_dict_updates(
            self.with_grammar,
            batch_update,
            lambda params, _prompt, _output: True if params.structured_outputs is not None else None,
        )

    def apply(self, logits: Any) -> Any:
        """One row per request; the grammar has already forbidden what does not fit it."""
        for row in self.with_grammar:
            without = logits[row].clone()
            without[self.blanks] = float("-inf")
            if not torch.isneginf(without).all():
                logits[row] = without
        return logits
