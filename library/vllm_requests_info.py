#!/usr/bin/python
"""Find out whether requests are in flight on a vLLM server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_requests_info
short_description: Find out whether requests are in flight on a vLLM server
description:
  - Looks at counters, sockets and process clocks for one to twenty seconds; sends nothing but C(GET /metrics).
  - A request of a stalled engine is not in flight, since nobody is served.
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
- name: Would a restart cut anybody off?
  vllm_requests_info:
    httpx_archive: "{{ lookup('httpx_archive') }}"
  become: true
"""

RETURN = r"""
busy:
  description: Whether requests are in flight.
  type: bool
  returned: always
words:
  description: What was seen.
  type: str
  returned: always
at:
  description: Seconds since the epoch, by the host's clock.
  type: float
  returned: always
progress:
  description: One line for the operator.
  type: str
  returned: always
"""

import time

from ansible.module_utils.streamdiag.host.entry import start


def main() -> None:
    module = start(
        {
            "unit": {"type": "str", "default": "vllm"},
            "base_url": {"type": "str", "default": ""},
        }
    )
    # After start(): these import the httpx that travelled here.
    from ansible.module_utils.streamdiag.host.changing.in_flight import look_for_requests
    from ansible.module_utils.streamdiag.host.changing.service import read_service
    from ansible.module_utils.streamdiag.host.target import port_of

    given = module.params
    at = time.time()
    service = read_service(given["unit"])
    base_url = service.base_url(given["base_url"])
    seen = look_for_requests(base_url, port_of(base_url), given["api_key"], service.processes)
    module.exit_json(
        changed=False, busy=seen.state == "busy", words=seen.words, at=at, progress=f"requests: {seen.words}"
    )


if __name__ == "__main__":
    main()
