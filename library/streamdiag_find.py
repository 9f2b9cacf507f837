#!/usr/bin/python
"""Find a stored run and the hosts in it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: streamdiag_find
short_description: Find the folders of a stored run
description:
  - Runs on the controller.
author: The streamdiag authors
options:
  run:
    description: The name of a run in O(reports_dir), or the path of its folder.
    type: str
    required: true
  reports_dir:
    description: Where reports are kept. A relative path is relative to O(root).
    type: path
    default: reports
  root:
    description: The project's folder.
    type: path
    default: .
attributes:
  check_mode:
    description: Reads only, so it does the same in check mode.
    support: full
"""

EXAMPLES = r"""
- name: Find the newest run
  streamdiag_find:
    run: latest
"""

RETURN = r"""
path:
  description: The folder of the run.
  type: str
  returned: success
folders:
  description: The folders of its hosts.
  type: list
  elements: str
  returned: success
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.streamdiag.controller.folders import Unusable, find_run


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "run": {"type": "str", "required": True},
            "reports_dir": {"type": "path", "default": "reports"},
            "root": {"type": "path", "default": "."},
        },
        supports_check_mode=True,
    )
    root = Path(module.params["root"]).resolve()
    try:
        path, folders = find_run(module.params["run"], root, root / module.params["reports_dir"])
    except Unusable as unusable:
        module.fail_json(msg=str(unusable))
    module.exit_json(changed=False, path=str(path), folders=[str(folder) for folder in folders])


if __name__ == "__main__":
    main()
