#!/usr/bin/python
"""Keep evidence on the controller as soon as it is there: a run that fails later keeps it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: streamdiag_keep
short_description: Store parts of the evidence in a host's folder of a run
description:
  - Runs on the controller. Files get mode 0600 and are written whole or not at all.
author: The streamdiag authors
options:
  folder:
    description: The host's folder of this run.
    type: path
    required: true
  parts:
    description: File name to content. Contents are stored as JSON.
    type: dict
    required: true
attributes:
  check_mode:
    description: Stores in check mode too; the folder is the tool's own.
    support: full
"""

EXAMPLES = r"""
- name: Keep the target
  streamdiag_keep:
    folder: reports/20261122T190000Z/gpu43
    parts:
      target.json: "{{ target_found.target }}"
  delegate_to: localhost
"""

RETURN = r"""
files:
  description: The paths that were written.
  type: list
  elements: str
  returned: success
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.streamdiag.controller.folders import explain
from ansible.module_utils.streamdiag.store import write_part


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "folder": {"type": "path", "required": True},
            "parts": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    folder, parts = Path(module.params["folder"]), module.params["parts"]
    try:
        for name, part in parts.items():
            write_part(folder, name, part)
    except OSError as error:
        module.fail_json(msg=explain(error, folder))
    module.params["parts"] = sorted(parts)  # the result need not carry the evidence a second time
    module.exit_json(changed=False, files=[f"{folder}/{name}" for name in sorted(parts)])


if __name__ == "__main__":
    main()
