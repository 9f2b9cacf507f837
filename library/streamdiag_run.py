#!/usr/bin/python
"""Begin a run on the controller: check the operator's variables, make the folders."""

from __future__ import annotations

DOCUMENTATION = r"""
module: streamdiag_run
short_description: Check the variables of a run and make its folders
description:
  - Runs on the controller, once per run.
  - Fails with one message that names every problem, before any host is touched.
author: The streamdiag authors
options:
  reports_dir:
    description: Where reports are kept. A relative path is relative to O(root).
    type: path
    default: reports
  root:
    description: The project's folder.
    type: path
    default: .
  keep:
    description: How many runs are kept in O(reports_dir), this one included; older ones are removed. 0 keeps all.
    type: str
    default: '100'
  run_id:
    description: The name of this run. Empty means the UTC time.
    type: str
    default: ''
  hosts:
    description: The inventory names of the hosts.
    type: list
    elements: str
    required: true
  settings:
    description: The operator's variables and their values.
    type: dict
    default: {}
  extra_names:
    description: The names of all variables given with C(-e).
    type: list
    elements: str
    default: []
  inventory_names:
    description: The names of all variables that start like ours.
    type: list
    elements: str
    default: []
  roles_path:
    description: The folder of the roles, whose own parameters are known names too.
    type: path
    required: true
  make_folders:
    description: Whether the run keeps anything. Without, it only gets its name.
    type: bool
    default: true
attributes:
  check_mode:
    description: Makes the folders in check mode too; they are the tool's own.
    support: full
"""

EXAMPLES = r"""
- name: Begin
  streamdiag_run:
    reports_dir: reports
    hosts: "{{ ansible_play_hosts_all }}"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
run_id:
  description: The name of this run.
  type: str
  returned: success
path:
  description: Its folder.
  type: str
  returned: success
folders:
  description: Inventory name of a host to its folder.
  type: dict
  returned: success
started_at:
  description: UTC, ISO 8601.
  type: str
  returned: success
progress:
  description: One line for the operator.
  type: str
  returned: success
"""

import time
from pathlib import Path

from ansible.module_utils.streamdiag.controller.entry import places, refuse_slips, start
from ansible.module_utils.streamdiag.controller.folders import Unusable, make_run_folder
from ansible.module_utils.streamdiag.controller.retention import DEFAULT_KEEP, remove_old_runs, words
from ansible.module_utils.streamdiag.controller.settings import role_parameters, slips


def main() -> None:
    module = start(
        {
            "keep": {"type": "str", "default": "100"},
            "run_id": {"type": "str", "default": ""},
            "hosts": {"type": "list", "elements": "str", "required": True},
            "settings": {"type": "dict", "default": {}},
            "inventory_names": {"type": "list", "elements": "str", "default": []},
            "make_folders": {"type": "bool", "default": True},
        }
    )
    given = module.params
    refuse_slips(module, {"reports_keep": given["keep"], **given["settings"]})
    roles = role_parameters(Path(given["roles_path"]))
    warnings = slips(set(given["inventory_names"]) - set(given["extra_names"]), roles)
    if not given["make_folders"]:
        name = given["run_id"] or time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        lines = "\n".join(f"warning: {slip}" for slip in warnings)
        module.exit_json(changed=False, run_id=name, path="", folders={}, started_at=_now(), progress=lines)
    _root, reports_dir = places(module)
    try:
        folder = make_run_folder(reports_dir, given["run_id"], given["hosts"])
    except Unusable as unusable:
        module.fail_json(msg=str(unusable))
    keep = int(given["keep"] or DEFAULT_KEEP)
    kept = words(remove_old_runs(reports_dir, keep, folder.path), keep)
    module.exit_json(
        changed=False,
        run_id=folder.run_id,
        path=str(folder.path),
        folders={host: str(path) for host, path in folder.hosts.items()},
        started_at=_now(),
        progress="\n".join([f"run {folder.run_id}", *(f"warning: {slip}" for slip in warnings), *kept]),
    )


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


if __name__ == "__main__":
    main()
