"""Is a compatibility mode in force? Its flag may be on by default, so a command line without it says nothing.

The mode refuses fields that are vLLM's own and not the Responses API's (docs of the fork that has it). So the server is
asked with one of them in a request that no server can serve: what it refuses first tells.
"""

from __future__ import annotations

from typing import Dict

from .endpoints import post

#: A sampling parameter of vLLM's Responses API that OpenAI's has not.
OWN_FIELD = "top_k"
#: Refused by every server, so nothing is ever generated for this question.
IMPOSSIBLE: Dict[str, object] = {"max_output_tokens": -1}


def ask_compat_mode(base_url: str, model: str, api_key: str) -> str:
    """``on``: the server refuses vLLM's own field; ``unsupported``: only the rest of it; else ``unknown``."""
    body: Dict[str, object] = {"model": model, "input": "Hi", "store": False, OWN_FIELD: 1, **IMPOSSIBLE}
    answer = post(base_url, "/v1/responses", body, api_key)
    if answer["state"] != "ok" or answer["http_status"] not in (400, 422):
        return "unknown"
    return "on" if OWN_FIELD in answer["body"] else "unsupported"
