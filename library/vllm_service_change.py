#!/usr/bin/python
"""Change how systemd starts a vLLM server, by a drop-in."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_service_change
short_description: Change how systemd starts a vLLM server, by a drop-in
description:
  - Writes on the host what is meant, before anything else; then writes, replaces or removes this tool's own drop-in.
  - Never touches a unit file or somebody else's drop-in, and restarts nothing.
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
  state:
    description:
      - C(made) makes the change, C(before) goes back to what was there before the last one.
      - C(settled) ends it, when the server runs with it, or when nothing of it is left.
    type: str
    choices: [made, before, settled]
    default: made
  kept:
    description: With O(state=settled), whether the change is meant to stay.
    type: bool
    default: true
  by:
    description: Which playbook this is for.
    type: str
    choices: [restart, audit]
    default: restart
  run_id:
    description: The name of the run.
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
    description: Says what it would do, with the difference, and writes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Without compatibility mode from the next start on
  vllm_service_change:
    compat: 'off'
    httpx_archive: "{{ lookup('httpx_archive') }}"
  become: true
"""

RETURN = r"""
restart:
  description: Whether the server has to be restarted.
  type: bool
  returned: success
stopped:
  description: With O(state=before), whether the unit was stopped, because it did not run before.
  type: bool
  returned: success
progress:
  description: One line for the operator.
  type: str
  returned: success
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
            "state": {"type": "str", "choices": ["made", "before", "settled"], "default": "made"},
            "kept": {"type": "bool", "default": True},
            "by": {"type": "str", "choices": ["restart", "audit"], "default": "restart"},
            "run_id": {"type": "str", "default": ""},
        }
    )
    # After start(): these import the httpx that travelled here.
    from ansible.module_utils.streamdiag.host.changing.transaction import Refused, go_back, make, settle

    given = module.params
    act = {"made": make, "before": go_back, "settled": settle}[given["state"]]
    try:
        done = act(given, module.check_mode)
    except (Refused, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=done.changed, restart=done.restart, stopped=done.stopped, diff=done.diff, progress=done.words
    )


if __name__ == "__main__":
    main()
