#!/usr/bin/python
"""Find the hosts that two stored runs have in common."""

from __future__ import annotations

DOCUMENTATION = r"""
module: streamdiag_pair
short_description: Find the folders of each host in two stored runs
description:
  - Runs on the controller. Checks the operator's variables first.
author: The streamdiag authors
options:
  before:
    description: The name of a run in O(reports_dir), or the path of its folder.
    type: str
    default: ''
  after:
    description: The same of the later run.
    type: str
    default: ''
  reports_dir:
    description: Where reports are kept. A relative path is relative to O(root).
    type: path
    default: reports
  root:
    description: The project's folder.
    type: path
    default: .
  settings:
    description: The operator's variables by name, to be checked.
    type: dict
    default: {}
  extra_names:
    description: Names of the variables that were given on the command line.
    type: list
    elements: str
    default: []
  roles_path:
    description: The folder of the roles, whose parameters may be given, too.
    type: path
    required: true
attributes:
  check_mode:
    description: Reads only, so it does the same in check mode.
    support: full
"""

EXAMPLES = r"""
- name: Find what can be compared
  streamdiag_pair:
    before: monday
    after: latest
    roles_path: roles
"""

RETURN = r"""
pairs:
  description: Per host its name and its folder in either run.
  type: list
  elements: dict
  returned: success
progress:
  description: What is compared, and the hosts that only one run has.
  type: str
  returned: success
"""

import os

from ansible.module_utils.streamdiag.controller.entry import places, refuse_slips, start
from ansible.module_utils.streamdiag.controller.folders import Unusable, pair_runs

NO_RUNS = (
    "name both runs: -e compare_before=RUN -e compare_after=RUN, where RUN is the name of a run in reports/, "
    "the path of its folder, or latest"
)


def main() -> None:
    module = start(
        {
            "before": {"type": "str", "default": ""},
            "after": {"type": "str", "default": ""},
            "settings": {"type": "dict", "default": {}},
        }
    )
    given = module.params
    refuse_slips(module, given["settings"], "" if given["before"] and given["after"] else NO_RUNS)
    root, reports_dir = places(module)
    try:
        found = pair_runs(given["before"], given["after"], root, reports_dir)
    except Unusable as unusable:
        module.fail_json(msg=str(unusable))
    for _old, new in found.hosts.values():
        if not os.access(str(new), os.W_OK | os.X_OK):
            module.fail_json(
                msg=f"{new} may not be written by this user, and the comparison is written there; "
                "copy the run to a folder of yours, and name that with -e compare_after=DIR"
            )
    lines = [f"comparing {', '.join(found.hosts)}"]
    lines += [f"{host} is in the run before only, so it is not compared" for host in found.only_before]
    lines += [f"{host} is in the run after only, so it is not compared" for host in found.only_after]
    module.exit_json(
        changed=False,
        pairs=[{"host": host, "before": str(old), "after": str(new)} for host, (old, new) in found.hosts.items()],
        progress="\n".join(lines),
    )


if __name__ == "__main__":
    main()
