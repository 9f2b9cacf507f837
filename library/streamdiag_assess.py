#!/usr/bin/python
"""Judge the stored evidence of one host and write its result and report."""

from __future__ import annotations

DOCUMENTATION = r"""
module: streamdiag_assess
short_description: Judge a stored run and write result.json and report.md
description:
  - Runs on the controller, on a folder of evidence; no host is needed.
  - With O(run) it first stores the controller's part of the evidence, which ends the gathering.
author: The streamdiag authors
options:
  folder:
    description: The host's folder of a run.
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
  run:
    description: The controller's part of a fresh run. Empty when a stored run is judged again.
    type: dict
    default: {}
  fail_on:
    description: From which verdict on the play should fail.
    type: str
    choices: [never, degraded, broken]
    default: never
  announce:
    description: Whether the verdict is meant for the terminal.
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
    folder: reports/latest/gpu43
    role: roles/report
  delegate_to: localhost
"""

RETURN = r"""
verdict:
  description: The verdict, as in result.json.
  type: dict
  returned: success
failures:
  description: Why the play should fail, now that the report is written.
  type: list
  elements: str
  returned: success
report:
  description: The path of the report.
  type: str
  returned: success
announce:
  description: The verdict for the terminal.
  type: str
  returned: success
"""

import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.streamdiag import __version__
from ansible.module_utils.streamdiag.bundle import BUNDLE_VERSION, RUN
from ansible.module_utils.streamdiag.controller.folders import explain
from ansible.module_utils.streamdiag.judge.assess import assess
from ansible.module_utils.streamdiag.report.terminal import announcement, failures
from ansible.module_utils.streamdiag.report.write import style, write_report
from ansible.module_utils.streamdiag.store import NotABundle, load, write_part


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "folder": {"type": "path", "required": True},
            "role": {"type": "path", "required": True},
            "language": {"type": "str", "choices": ["en", "ru"], "default": "en"},
            "run": {"type": "dict", "default": {}},
            "fail_on": {"type": "str", "choices": ["never", "degraded", "broken"], "default": "never"},
            "announce": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    folder, run = Path(module.params["folder"]), module.params["run"]
    try:
        if run:
            finished = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            write_part(
                folder,
                RUN,
                dict(run, bundle_version=BUNDLE_VERSION, finished_at=finished, tool_version=__version__),
            )
        bundle = load(folder)
        result = assess(bundle)
        report = write_report(folder, bundle, result, style(module.params["role"], module.params["language"]))
    except NotABundle as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=explain(error, folder))
    source = (bundle.target or {}).get("base_url_source", "")
    module.exit_json(
        changed=False,
        verdict=result["verdict"],
        failures=failures(result, module.params["fail_on"], source),
        report=str(report),
        announce=announcement(result, str(report)) if module.params["announce"] else "",
    )


if __name__ == "__main__":
    main()
