#!/usr/bin/python
"""Compare two stored results of one host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: streamdiag_compare
short_description: Compare two stored results and write audit.json and audit.md
description:
  - Runs on the controller, on two folders of a host; no host is needed.
  - What is there already is replaced only by a whole comparison.
author: The streamdiag authors
options:
  before:
    description: The host's folder of the run before the change.
    type: path
    required: true
  after:
    description: The host's folder of the run after the change. The comparison is written there.
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
  force:
    description: Whether to compare runs of different models, cases or versions of this tool, too.
    type: bool
    default: false
attributes:
  check_mode:
    description: Writes in check mode too; the folder is the tool's own.
    support: full
"""

EXAMPLES = r"""
- name: Compare
  streamdiag_compare:
    before: reports/monday/gpu43
    after: reports/latest/gpu43
    role: roles/report
  delegate_to: localhost
"""

RETURN = r"""
conclusion:
  description: The conclusion, as in audit.json.
  type: dict
  returned: success
report:
  description: The path of the report.
  type: str
  returned: success
announce:
  description: The conclusion for the terminal.
  type: str
  returned: success
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.streamdiag.compare.comparable import NotComparable
from ansible.module_utils.streamdiag.compare.read import NotAResult, read_result
from ansible.module_utils.streamdiag.controller.folders import explain
from ansible.module_utils.streamdiag.report.altered import doubted
from ansible.module_utils.streamdiag.report.retold import retold
from ansible.module_utils.streamdiag.report.schemas import NotAsPublished
from ansible.module_utils.streamdiag.report.terminal import conclusion
from ansible.module_utils.streamdiag.report.write import style, write_audit
from ansible.module_utils.streamdiag.store import NotABundle, load

try:
    from ansible.module_utils.streamdiag.compare.compare import compare
except ImportError:  # an environment from before comparisons came
    compare = None


def evidence_of(before, after):
    """The bundles of both folders, for a picture; None where only the results were kept."""
    try:
        return load(before), load(after)
    except (NotABundle, OSError):
        return None


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "before": {"type": "path", "required": True},
            "after": {"type": "path", "required": True},
            "role": {"type": "path", "required": True},
            "language": {"type": "str", "choices": ["en", "ru"], "default": "en"},
            "force": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if compare is None:
        module.fail_json(msg=missing_required_lib("scipy") + "; make setup installs what requirements.txt pins")
    before, after = Path(module.params["before"]), Path(module.params["after"])
    try:
        look = style(module.params["role"], module.params["language"])
        results = [retold(folder, read_result(folder), look.language) for folder in (before, after)]
        comparison = compare(results[0], results[1], module.params["force"])
        comparison = doubted(comparison, before, after)
        report = write_audit(after, comparison, look, evidence_of(before, after))
    except (NotAResult, NotComparable, NotAsPublished) as error:
        module.fail_json(msg=f"{after.name}: {look.language.said(error.args[0])}")
    except OSError as error:
        module.fail_json(msg=explain(error, after))
    module.exit_json(
        changed=False,
        conclusion=comparison["conclusion"],
        report=str(report),
        announce=conclusion(comparison, str(report), look.language),
    )


if __name__ == "__main__":
    main()
