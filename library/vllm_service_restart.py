#!/usr/bin/python
"""Tell systemd to restart a vLLM server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_service_restart
short_description: Tell systemd to restart a vLLM server
description:
  - Returns at once; C(vllm_ready_info) tells how it goes.
  - Notes the phase in the intent file first.
author: The streamdiag authors
options:
  unit:
    description: The systemd unit of the server, with or without C(.service).
    type: str
    default: vllm
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
    description: Restarts nothing in check mode, and says that it would.
    support: full
"""

EXAMPLES = r"""
- name: Restart
  vllm_service_restart:
    unit: vllm
    httpx_archive: "{{ lookup('httpx_archive') }}"
  become: true
"""

RETURN = r"""
old_invocation:
  description: The unit's InvocationID before the restart.
  type: str
  returned: success
since:
  description: Seconds since the epoch, by the host's clock.
  type: float
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
        }
    )
    # After start(): these import the httpx that travelled here.
    from ansible.module_utils.streamdiag.host.changing.service import read_service
    from ansible.module_utils.streamdiag.host.changing.transaction import Refused, restart

    service = read_service(module.params["unit"])
    since = time.time()
    try:
        if not module.check_mode:
            restart(service)
    except (Refused, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=True,
        old_invocation=service.property("InvocationID"),
        since=since,
        progress=f"{service.name} restarts (it was process {service.property('MainPID')})",
    )


if __name__ == "__main__":
    main()
