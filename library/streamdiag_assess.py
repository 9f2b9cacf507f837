#!/usr/bin/python
"""Judge the stored evidence of hosts and write their results and reports."""

from __future__ import annotations

DOCUMENTATION = r"""
module: streamdiag_assess
short_description: Judge stored evidence and write result.json and report.md
description:
  - Runs on the controller, on folders of evidence; no host is needed.
  - With O(runs) it first stores the controller's part of the evidence, which ends the gathering.
  - Evidence that cannot be judged is named in RV(damaged), and costs the other hosts nothing.
author: The streamdiag authors
options:
  folders:
    description: The hosts' folders of a run.
    type: list
    elements: path
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
  runs:
    description: By folder, the controller's part of a fresh run. Empty when a stored run is judged again.
    type: dict
    default: {}
  fail_on:
    description: From which verdict on the play should fail.
    type: str
    choices: [never, degraded, broken]
    default: never
  announce:
    description: Whether the verdicts are meant for the terminal.
    type: bool
    default: true
attributes:
  check_mode:
    description: Writes in check mode too; the folder is the tool's own.
    support: full
"""

EXAMPLES = r"""
- name: Judge again
  streamdiag_assess:
    folders: [reports/latest/gpu43]
    role: roles/report
  delegate_to: localhost
"""

RETURN = r"""
hosts:
  description:
    - By folder, C(verdict) as in result.json, C(failures) with why the play should fail, and C(report) with
      the path of the report.
  type: dict
  returned: success
damaged:
  description:
    - Why evidence could not be judged, one for each folder of which that is so; and what was written that is not as
      its published schema says.
  type: list
  elements: str
  returned: success
differences:
  description: How the evidence of a stored run is not as it was gathered, one for each folder of which that is so.
  type: list
  elements: str
  returned: success
progress:
  description: The same for the operator.
  type: str
  returned: success
announce:
  description: The verdicts for the terminal.
  type: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.streamdiag.controller.report_hosts import Order, report_hosts


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "folders": {"type": "list", "elements": "path", "required": True},
            "role": {"type": "path", "required": True},
            "language": {"type": "str", "choices": ["en", "ru"], "default": "en"},
            "runs": {"type": "dict", "default": {}},
            "fail_on": {"type": "str", "choices": ["never", "degraded", "broken"], "default": "never"},
            "announce": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    given = module.params
    order = Order(given["role"], given["language"], given["fail_on"])
    reported = report_hosts(given["folders"], given["runs"], order)
    altered = [one.altered for one in reported if one.altered]
    said = [one.announcement for one in reported if one.announcement] if given["announce"] else []
    module.params["runs"] = sorted(given["runs"])  # the result need not carry them a second time
    module.exit_json(
        changed=False,
        hosts={
            one.folder: {"verdict": one.verdict, "failures": one.failures, "report": one.report} for one in reported
        },
        damaged=[one.damaged for one in reported if one.damaged],
        differences=altered,
        progress="\n".join(f"warning: {one}" for one in altered),
        announce="\n\n".join(said),
    )


if __name__ == "__main__":
    main()
