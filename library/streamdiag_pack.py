#!/usr/bin/python
"""Pack a stored run into one file."""

from __future__ import annotations

DOCUMENTATION = r"""
module: streamdiag_pack
short_description: Pack a stored run, or one host of it, for a ticket
description:
  - Runs on the controller; no host is needed. Checks the operator's variables first.
  - What differs from the manifests is named, and packed all the same. A file that is there is never overwritten.
author: The streamdiag authors
options:
  run:
    description: The name of a run in O(reports_dir), or the path of its folder.
    type: str
    default: ''
  host:
    description: The host to pack. Empty means all.
    type: str
    default: ''
  to:
    description: The folder for the file. A relative path is relative to O(root). Empty means beside the run.
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
    description: Packs in check mode too; nothing but a new file is made.
    support: full
"""

EXAMPLES = r"""
- name: Pack the newest run
  streamdiag_pack:
    run: latest
    roles_path: roles
"""

RETURN = r"""
path:
  description: The file.
  type: str
  returned: success
sha256:
  description: Its checksum.
  type: str
  returned: success
bytes:
  description: Its size.
  type: int
  returned: success
differences:
  description: What is not as it was written.
  type: list
  elements: str
  returned: success
progress:
  description: The same for the operator.
  type: str
  returned: success
announce:
  description: The file, its size and checksum, and how to look at it on another machine.
  type: str
  returned: success
"""

import os

from ansible.module_utils.streamdiag.controller.entry import places, refuse_slips, start
from ansible.module_utils.streamdiag.controller.folders import Unusable, find_run
from ansible.module_utils.streamdiag.controller.pack import commands, pack_run, words

NO_RUN = "name the run: -e pack_run=RUN, where RUN is the name of a run in reports/, the path of its folder, or latest"


def main() -> None:
    module = start(
        {
            "run": {"type": "str", "default": ""},
            "host": {"type": "str", "default": ""},
            "to": {"type": "str", "default": ""},
        }
    )
    given = module.params
    refuse_slips(module, {}, "" if given["run"] else NO_RUN)
    root, reports_dir = places(module)
    try:
        run, _hosts = find_run(given["run"], root, reports_dir)
        packed = pack_run(run, given["host"], root / os.path.expanduser(given["to"]) if given["to"] else None)
    except Unusable as unusable:
        module.fail_json(msg=str(unusable))
    elsewhere = ["  on another machine, in a checkout of this project:", *(f"    $ {c}" for c in commands(packed, run))]
    module.exit_json(
        changed=True,
        path=str(packed.path),
        sha256=packed.sha256,
        bytes=packed.bytes,
        differences=packed.warnings,
        progress="\n".join(f"warning: {warning}" for warning in packed.warnings),
        announce="\n".join([*words(packed), *elsewhere]),
    )


if __name__ == "__main__":
    main()
