#!/usr/bin/python
"""Read what an audit should change."""

from __future__ import annotations

DOCUMENTATION = r"""
module: streamdiag_change
short_description: Read what an audit should change
description:
  - Runs on the controller. Turns the operator's variables into the parameter C(change) of C(vllm_service_change).
author: The streamdiag authors
options:
  kind:
    description: The kind of change.
    type: str
    choices: [compat_on, compat_off, args, env, debug_logging]
    required: true
  variables:
    description: What the operator said, by the name of the variable (C(audit_set), C(audit_remove) and so on).
    type: dict
    default: {}
  unknown:
    description: Options for logging that the installed build does not know, for V(debug_logging).
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Only reads, so it does the same in check mode.
    support: full
"""

EXAMPLES = r"""
- name: Read the change
  streamdiag_change:
    kind: args
    variables:
      audit_set: --max-num-seqs 4
  delegate_to: localhost
"""

RETURN = r"""
change:
  description: The change, empty for a kind that says everything.
  type: dict
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.streamdiag.controller.audit_change import Unclear, wanted_change
from ansible.module_utils.streamdiag.controller.settings import CHANGES


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "kind": {
                "type": "str",
                "choices": list(CHANGES),
                "required": True,
            },
            "variables": {"type": "dict", "default": {}},
            "unknown": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        change = wanted_change(given["kind"], given["variables"], given["unknown"])
    except Unclear as unclear:
        module.fail_json(msg=str(unclear))
    module.exit_json(changed=False, change=change)


if __name__ == "__main__":
    main()
