#!/usr/bin/python
"""Sum up the results of all hosts of a run."""

from __future__ import annotations

DOCUMENTATION = r"""
module: streamdiag_summary
short_description: Write summary.json, summary.md and junit.xml of a run
description:
  - Runs on the controller, on the results that are in the folder of the run.
  - A result that cannot be read is named there and in RV(damaged), and costs the other hosts nothing.
author: The streamdiag authors
options:
  folder:
    description: The folder of the run.
    type: path
    required: true
  role:
    description: The folder of the role C(report), where templates and texts are.
    type: path
    required: true
  language:
    description: The language of the report.
    type: str
    choices: [en, ru]
    default: en
  latest:
    description: Whether C(latest) beside the folder should point to it from now on.
    type: bool
    default: false
attributes:
  check_mode:
    description: Writes in check mode too; the folder is the tool's own.
    support: full
"""

EXAMPLES = r"""
- name: Sum up
  streamdiag_summary:
    folder: reports/latest
    role: roles/report
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
summary:
  description: The path of the summary.
  type: str
  returned: success
damaged:
  description: Why results could not be read, one for each host of which that is so.
  type: list
  elements: str
  returned: success
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.streamdiag.controller.folders import explain, point_latest
from ansible.module_utils.streamdiag.report.schemas import NotAsPublished
from ansible.module_utils.streamdiag.report.stored import read_results
from ansible.module_utils.streamdiag.report.summary import summarise
from ansible.module_utils.streamdiag.report.write import style, write_summary


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "folder": {"type": "path", "required": True},
            "role": {"type": "path", "required": True},
            "language": {"type": "str", "choices": ["en", "ru"], "default": "en"},
            "latest": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    folder, wrong = Path(module.params["folder"]), ""
    try:
        stored = read_results(folder)
        if not stored.results and not stored.damaged:
            module.fail_json(msg=f"{folder} holds no result: no report was written in this run")
        summary = summarise(stored, folder.resolve().name)
        try:
            write_summary(folder, summary, stored, style(module.params["role"], module.params["language"]))
        except NotAsPublished as error:
            wrong = str(error)
        if module.params["latest"]:
            point_latest(folder.parent, folder.name)
    except OSError as error:
        module.fail_json(msg=explain(error, folder))
    if wrong:
        module.fail_json(msg=wrong)
    damaged = [f"{one['host']}: {one['reason']}" for one in stored.damaged]
    module.exit_json(changed=False, summary=str(folder / "summary.md"), damaged=damaged)


if __name__ == "__main__":
    main()
