#!/usr/bin/python
"""Gather the state of a vLLM host: unit, processes, sockets, GPUs, journal, kernel log, counters."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_evidence_info
short_description: Gather what a vLLM host shows after the streams were sent
description:
  - Reads unit, processes, sockets, GPUs, the unit's journal, the kernel log and the server's own endpoints.
  - Changes nothing. What cannot be read as the current user is returned with the reason.
author: The streamdiag authors
options:
  unit:
    description: The systemd unit of the server, with or without C(.service).
    type: str
    default: vllm
  base_url:
    description: The server's address as the host sees it.
    type: str
    required: true
  api_key:
    description: The key that clients send as bearer token.
    type: str
    default: ''
  since:
    description: Where the logs begin, in seconds since the epoch on the host's clock.
    type: float
    required: true
  as_root:
    description: Whether this call was made with privilege escalation. Only recorded.
    type: bool
    default: false
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
- name: Gather the last two minutes
  vllm_evidence_info:
    base_url: http://127.0.0.1:8000
    since: "{{ now(utc=true).timestamp() - 120 }}"
    httpx_archive: "{{ lookup('httpx_archive') }}"
"""

RETURN = r"""
machine:
  description: The evidence, in the shape C(Machine) of C(module_utils/streamdiag/bundle.py).
  type: dict
  returned: always
journal:
  description: The logs, in the shape C(Journal) of C(module_utils/streamdiag/bundle.py).
  type: dict
  returned: always
progress:
  description: One line for the operator.
  type: str
  returned: always
"""

from ansible.module_utils.streamdiag.host.entry import start


def main() -> None:
    module = start(
        {
            "unit": {"type": "str", "default": "vllm"},
            "base_url": {"type": "str", "required": True},
            "since": {"type": "float", "required": True},
            "as_root": {"type": "bool", "default": False},
        }
    )
    # After start(): these import the httpx that travelled here.
    from ansible.module_utils.streamdiag.host.machine import describe_machine, read_machine

    given = module.params
    gathered = read_machine(given["unit"], given["base_url"], given["api_key"], given["since"], become=given["as_root"])
    module.exit_json(
        changed=False,
        machine=gathered.machine,
        journal=gathered.journal,
        progress=describe_machine(gathered),
    )


if __name__ == "__main__":
    main()
