#!/usr/bin/python
"""Send a vLLM server its first request."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_warm_up
short_description: Send a vLLM server its first request
description:
  - The first request compiles, so it is slow; what is measured afterwards is not.
  - One small request without streaming; whatever comes of it is returned, and is no failure.
author: The streamdiag authors
options:
  base_url:
    description: The server's address as the host sees it.
    type: str
    required: true
  model:
    description: The model to ask. Empty means the first one of C(/v1/models).
    type: str
    default: ''
  timeout:
    description: Seconds for the whole exchange.
    type: float
    default: 120
  api_key:
    description: The key that clients send as bearer token.
    type: str
    default: ''
  httpx_archive:
    description: The HTTP client to use, as returned by the lookup C(httpx_archive). Empty means the host's own httpx.
    type: str
    default: ''
attributes:
  check_mode:
    description: Sends nothing in check mode.
    support: full
"""

EXAMPLES = r"""
- name: Warm up
  vllm_warm_up:
    base_url: http://127.0.0.1:8000
    httpx_archive: "{{ lookup('httpx_archive') }}"
"""

RETURN = r"""
reason:
  description: What came instead of an answer, or empty.
  type: str
  returned: success
progress:
  description: One line for the operator.
  type: str
  returned: success
"""

import time

from ansible.module_utils.streamdiag.host.entry import start


def main() -> None:
    module = start(
        {
            "base_url": {"type": "str", "required": True},
            "model": {"type": "str", "default": ""},
            "timeout": {"type": "float", "default": 120},
        }
    )
    # After start(): these import the httpx that travelled here.
    from ansible.module_utils.streamdiag.host.changing.readiness import warm_up
    from ansible.module_utils.streamdiag.host.endpoints import get
    from ansible.module_utils.streamdiag.host.target import served_models

    given = module.params
    if module.check_mode:
        module.exit_json(changed=False, reason="", progress="")
    started = time.monotonic()
    models = served_models(get(given["base_url"], "/v1/models", given["api_key"]))
    model = given["model"] or (models[0] if models else "")
    reason = warm_up(given["base_url"], model, given["api_key"], given["timeout"])
    seconds = time.monotonic() - started
    progress = f"warming up: {reason}" if reason else f"warmed up in {seconds:.1f} s"
    module.exit_json(changed=False, reason=reason, progress=progress)


if __name__ == "__main__":
    main()
