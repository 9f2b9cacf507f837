#!/usr/bin/python
"""Find the vLLM server of a host: unit, processes, address, model, version."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_target_info
short_description: Find out which vLLM server a host runs, and how it is reached
description:
  - Reads the systemd unit, the running processes, their command line and sockets, and the server's own answers.
  - Changes nothing. What cannot be read as the current user is returned with the reason.
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
  public_url:
    description: The server's address as clients see it. Empty means that there is none.
    type: str
    default: ''
  model:
    description: The model to ask. Empty means the first one of C(/v1/models).
    type: str
    default: ''
  api_key:
    description: The key that clients send as bearer token.
    type: str
    default: ''
  compat_flag_on:
    description: The option that switches the server's compatibility mode on.
    type: str
    default: --responses-compatibility-mode
  compat_flag_off:
    description: The option that switches the server's compatibility mode off.
    type: str
    default: --no-responses-compatibility-mode
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
- name: Find the server
  vllm_target_info:
    unit: vllm
    httpx_archive: "{{ lookup('httpx_archive') }}"
"""

RETURN = r"""
target:
  description: The evidence, in the shape C(Target) of C(module_utils/streamdiag/bundle.py).
  type: dict
  returned: always
problem:
  description: Why there is nothing to diagnose, with what to do, or empty.
  type: str
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
            "base_url": {"type": "str", "default": ""},
            "public_url": {"type": "str", "default": ""},
            "model": {"type": "str", "default": ""},
            "compat_flag_on": {"type": "str", "default": "--responses-compatibility-mode"},
            "compat_flag_off": {"type": "str", "default": "--no-responses-compatibility-mode"},
            "as_root": {"type": "bool", "default": False},
        }
    )
    # After start(): these import the httpx that travelled here.
    from ansible.module_utils.streamdiag.host.target import Wanted, describe_target, problem, read_target

    given = module.params
    wanted = Wanted(
        unit=given["unit"],
        base_url=given["base_url"],
        public_url=given["public_url"],
        model=given["model"],
        api_key=given["api_key"],
        compat_flag_on=given["compat_flag_on"],
        compat_flag_off=given["compat_flag_off"],
    )
    target = read_target(wanted, become=given["as_root"])
    module.exit_json(changed=False, target=target, problem=problem(wanted, target), progress=describe_target(target))


if __name__ == "__main__":
    main()
