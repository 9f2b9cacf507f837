#!/usr/bin/python
"""Find out what a change of a vLLM service would take."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_service_info
short_description: Find out what a change of a vLLM service would take
description:
  - Reads unit files, the running process and what this tool has written before, and plans the change.
  - Changes nothing, and asks the server nothing.
author: The streamdiag authors
options:
  unit:
    description: The systemd unit of the server, with or without C(.service).
    type: str
    default: vllm
  compat:
    description:
      - Which compatibility mode should be in force. C(default) removes every change of this tool.
      - Empty means that O(change) says what is wanted.
    type: str
    choices: ['', 'on', 'off', default]
    default: ''
  compat_flag_on:
    description: The option that switches the mode on; with a value, C(--compat=true), or empty when none is needed.
    type: str
    default: --responses-compatibility-mode
  compat_flag_off:
    description: The option that switches the mode off; with a value, C(--compat=false), or empty when none is needed.
    type: str
    default: --no-responses-compatibility-mode
  change:
    description:
      - A change of arguments and environment, with the keys C(what), C(set) (options with values, one string each),
        C(remove) (names of options), C(environment) (variables to set), C(unset) (variables to take away), C(switches)
        (names of options that take no value).
    type: dict
    default: {}
  persist:
    description: Whether the change should outlive a reboot of the host.
    type: bool
    default: false
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
- name: Plan a restart without compatibility mode
  vllm_service_info:
    compat: 'off'
    httpx_archive: "{{ lookup('httpx_archive') }}"
  become: true
"""

RETURN = r"""
plan:
  description: >-
    C(refused) (why it cannot be done, or empty), C(write) and C(restart) (whether that is needed), C(ask) (options that
    the program has to be asked about), C(base_url), C(processes), C(intent).
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
            "compat": {"type": "str", "choices": ["", "on", "off", "default"], "default": ""},
            "compat_flag_on": {"type": "str", "default": "--responses-compatibility-mode"},
            "compat_flag_off": {"type": "str", "default": "--no-responses-compatibility-mode"},
            "change": {"type": "dict", "default": {}},
            "persist": {"type": "bool", "default": False},
            "base_url": {"type": "str", "default": ""},
        }
    )
    # After start(): these import the httpx that travelled here.
    from ansible.module_utils.streamdiag.host.changing.transaction import Refused, look

    given = module.params
    try:
        plan, progress = look(given)
    except Refused as refused:
        module.exit_json(changed=False, plan={"refused": str(refused)}, progress="")
    module.exit_json(changed=False, plan=plan, progress=progress)


if __name__ == "__main__":
    main()
