#!/usr/bin/python
"""Look closer at a vLLM server that stalls: stacks, states, clocks and sockets while a request is in flight."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_stall_info
short_description: Look closer at a vLLM server at the moment of a stall
description:
  - Holds a tiny stream open and looks at each process of the server twice, three seconds apart.
  - Reads states, wait channels, CPU clocks, Python stacks (by py-spy, which only reads memory), socket queues and GPUs.
  - Sends no signal to a process of the host, leaves nothing behind, and takes at most 12 seconds.
  - Returns whatever could be read, with the reason for what could not.
author: The streamdiag authors
options:
  base_url:
    description: The server's address as the host sees it.
    type: str
    required: true
  model:
    description: The model to ask.
    type: str
    default: ''
  api_key:
    description: The key that clients send as bearer token.
    type: str
    default: ''
  processes:
    description: The server's processes, as C(vllm_target_info) returned them.
    type: list
    elements: dict
    default: []
  as_root:
    description: Whether this call was made with privilege escalation. Only recorded.
    type: bool
    default: false
  httpx_archive:
    description: The HTTP client to use, as returned by the lookup C(httpx_archive). Empty means the host's own httpx.
    type: str
    default: ''
  pyspy_archive:
    description: The program py-spy, as returned by the lookup C(pyspy_archive). Empty means that no stacks are read.
    type: str
    default: ''
attributes:
  check_mode:
    description: Reads only, so it does the same in check mode.
    support: full
"""

EXAMPLES = r"""
- name: Look closer at a stalled server
  vllm_stall_info:
    base_url: http://127.0.0.1:8000
    model: openai/gpt-oss-120b
    processes: "{{ target_found.target.processes.processes }}"
    httpx_archive: "{{ lookup('httpx_archive') }}"
    pyspy_archive: "{{ lookup('pyspy_archive') }}"
  become: true
"""

RETURN = r"""
stall:
  description: The evidence, in the shape C(Stall) of C(module_utils/streamdiag/bundle.py).
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
            "base_url": {"type": "str", "required": True},
            "model": {"type": "str", "default": ""},
            "processes": {"type": "list", "elements": "dict", "default": []},
            "as_root": {"type": "bool", "default": False},
            "pyspy_archive": {"type": "str", "default": ""},
        }
    )
    # After start(): these import the httpx that travelled here.
    from ansible.module_utils.streamdiag.host.probe import Server
    from ansible.module_utils.streamdiag.host.stacks import PySpy
    from ansible.module_utils.streamdiag.host.stall import describe_look, take_stall

    given = module.params
    py_spy = PySpy(given["pyspy_archive"])
    given["pyspy_archive"] = "(travelled)"
    server = Server(given["base_url"], given["model"], given["api_key"], given["processes"])
    stall = take_stall(server, py_spy, become=given["as_root"])
    module.exit_json(changed=False, stall=stall, progress=describe_look(stall))


if __name__ == "__main__":
    main()
