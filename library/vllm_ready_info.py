#!/usr/bin/python
"""See how far a restarted vLLM server is."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_ready_info
short_description: See how far a restarted vLLM server is
description:
  - Looks for a few seconds, and tells whether it waits, answers or has failed, and why, in its journal's words.
  - When it answers, compares the running process (its own arguments and environment in C(/proc)) with what was meant.
author: The streamdiag authors
options:
  unit:
    description: The systemd unit of the server, with or without C(.service).
    type: str
    default: vllm
  base_url:
    description: The server's address as the host sees it. Empty means that it is detected.
    type: str
    default: ''
  old_invocation:
    description: The unit's InvocationID before the restart, as C(vllm_service_restart) returned it.
    type: str
    default: ''
  since:
    description: When it was told to restart, in seconds since the epoch, by the host's clock.
    type: float
    required: true
  timeout:
    description: Seconds since then after which it counts as failed.
    type: float
    default: 900
  seconds:
    description: How long to look, at most.
    type: float
    default: 2.5
  expect:
    description: What the running process should show (the change of the intent file, what was before it, or nothing).
    type: str
    choices: [change, before, nothing]
    default: change
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
    description: Reads only, so it does the same in check mode.
    support: full
"""

EXAMPLES = r"""
- name: Wait for the server
  vllm_ready_info:
    old_invocation: "{{ restarted.old_invocation }}"
    since: "{{ restarted.since }}"
    httpx_archive: "{{ lookup('httpx_archive') }}"
  become: true
  register: ready
  until: ready.state != 'waiting'
  retries: 300
  delay: 0
"""

RETURN = r"""
state:
  description: C(waiting), C(ready) or C(failed).
  type: str
  returned: success
reason:
  description: Why it failed, or what the running process does not show. Empty when all is as meant.
  type: str
  returned: success
base_url:
  description: Where it answers.
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
            "unit": {"type": "str", "default": "vllm"},
            "base_url": {"type": "str", "default": ""},
            "old_invocation": {"type": "str", "default": ""},
            "since": {"type": "float", "required": True},
            "timeout": {"type": "float", "default": 900},
            "seconds": {"type": "float", "default": 2.5},
            "expect": {"type": "str", "choices": ["change", "before", "nothing"], "default": "change"},
        }
    )
    # After start(): these import the httpx that travelled here.
    from ansible.module_utils.streamdiag.host.changing.readiness import last_words, read_progress
    from ansible.module_utils.streamdiag.host.changing.service import read_service
    from ansible.module_utils.streamdiag.host.changing.transaction import Refused, shortfall

    given = module.params
    until = time.monotonic() + given["seconds"]
    while True:
        seen = read_progress(given["unit"], given["old_invocation"], given["base_url"], given["api_key"])
        if seen.state != "waiting" or time.monotonic() > until:
            break
        time.sleep(0.5)
    waited = time.time() - given["since"]
    state, reason = seen.state, ""
    if state == "waiting" and waited >= given["timeout"]:
        state = "failed"
    service = read_service(given["unit"])
    try:
        if state == "ready" and given["expect"] != "nothing":
            reason = "; ".join(shortfall(service, given["expect"]))
    except Refused as refused:
        reason = str(refused)
    if state == "failed":
        late = f" after {waited:.0f} s" if seen.state == "waiting" else ""
        reason = f"{seen.words}{late}; its journal: {last_words(service.name, given['since'], service)}"
    module.exit_json(
        changed=False,
        state=state,
        reason=reason,
        base_url=service.base_url(given["base_url"]),
        progress=f"{waited:.0f} s: {seen.words}",
    )


if __name__ == "__main__":
    main()
