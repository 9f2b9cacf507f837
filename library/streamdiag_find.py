#!/usr/bin/python
"""Find a stored run and the hosts in it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: streamdiag_find
short_description: Find the folders of a stored run, to judge it again
description:
  - Runs on the controller. Checks the operator's variables first.
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
  to:
    description:
      - A new folder for a copy of the evidence, which is then found in place of the run; a relative path is relative to
        O(root). Empty means the run itself, which must be writable.
    type: str
    default: ''
  extra_names:
    description: Names of the variables that were given on the command line.
    type: list
    elements: str
    default: []
  roles_path:
    description: The folder of the roles, whose parameters may be given, too.
    type: path
    required: true
  root:
    description: The project's folder.
    type: path
    default: .
attributes:
  check_mode:
    description: Does the same in check mode; a copy is a folder of its own.
    support: full
"""

EXAMPLES = r"""
- name: Find the newest run
  streamdiag_find:
    run: latest
    roles_path: roles
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

import os

from ansible.module_utils.streamdiag.controller.copies import copy_run, writable
from ansible.module_utils.streamdiag.controller.entry import places, refuse_slips, start
from ansible.module_utils.streamdiag.controller.folders import Unusable, find_run


def main() -> None:
    module = start(
        {
            "run": {"type": "str", "required": True},
            "to": {"type": "str", "default": ""},
        }
    )
    given = module.params
    refuse_slips(module, {})
    root, reports_dir = places(module)
    try:
        path, folders = find_run(given["run"], root, reports_dir)
        if given["to"]:
            path, folders = copy_run(folders, root / os.path.expanduser(given["to"]))
        else:
            writable(path, folders)
    except Unusable as unusable:
        module.fail_json(msg=str(unusable))
    module.exit_json(changed=False, path=str(path), folders=[str(folder) for folder in folders])


if __name__ == "__main__":
    main()
