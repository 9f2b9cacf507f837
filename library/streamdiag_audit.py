#!/usr/bin/python
"""Compare both arms of an audit, and judge the server anew by what the change has shown."""

from __future__ import annotations

DOCUMENTATION = r"""
module: streamdiag_audit
short_description: Compare the streams before and after a change, and judge the server by the difference
description:
  - Runs on the controller, on the folder of one host's audit; no host is needed.
  - Writes C(audit.json) and C(audit.md), stores what the change showed beside the evidence that was gathered before it,
    and judges that evidence again, so that C(result.json) and C(report.md) know of it.
author: The streamdiag authors
options:
  folder:
    description: The host's folder of the run. Evidence from before the change lies there, from after it in C(after/).
    type: path
    required: true
  change:
    description: The kind of change.
    type: str
    choices: [compat_on, compat_off, args, env, debug_logging]
    required: true
  words:
    description: What was changed, in words.
    type: str
    required: true
  kept:
    description: Whether the change stays in force, because the operator wants it.
    type: bool
    default: false
  restored:
    description: Whether the server was seen to run as before again.
    type: bool
    default: false
  role:
    description: The folder of the role C(report), where templates and texts are.
    type: path
    required: true
  language:
    description: The language of the report.
    type: str
    choices: [en, ru]
    default: en
attributes:
  check_mode:
    description: Writes in check mode too; the folder is the tool's own.
    support: full
"""

EXAMPLES = r"""
- name: Compare before and after
  streamdiag_audit:
    folder: reports/latest/gpu43
    change: compat_off
    words: --no-responses-compatibility-mode added
    restored: true
    role: roles/report
  delegate_to: localhost
"""

RETURN = r"""
conclusion:
  description: The conclusion, as in audit.json.
  type: dict
  returned: success
verdict:
  description: The verdict on the server as it was before the change, as in result.json.
  type: dict
  returned: success
announce:
  description: Conclusion and verdict for the terminal.
  type: str
  returned: success
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.streamdiag.bundle import EXPERIMENT
from ansible.module_utils.streamdiag.compare.comparable import NotComparable
from ansible.module_utils.streamdiag.compare.compare import compare
from ansible.module_utils.streamdiag.compare.comparison import Audit
from ansible.module_utils.streamdiag.compare.experiment import experiment, order
from ansible.module_utils.streamdiag.controller.folders import explain
from ansible.module_utils.streamdiag.controller.settings import CHANGES
from ansible.module_utils.streamdiag.judge.assess import assess
from ansible.module_utils.streamdiag.report.schemas import NotAsPublished
from ansible.module_utils.streamdiag.report.terminal import announcement, conclusion
from ansible.module_utils.streamdiag.report.write import style, write_both
from ansible.module_utils.streamdiag.store import NotABundle, load, write_part


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "folder": {"type": "path", "required": True},
            "change": {
                "type": "str",
                "choices": list(CHANGES),
                "required": True,
            },
            "words": {"type": "str", "required": True},
            "kept": {"type": "bool", "default": False},
            "restored": {"type": "bool", "default": False},
            "role": {"type": "path", "required": True},
            "language": {"type": "str", "choices": ["en", "ru"], "default": "en"},
        },
        supports_check_mode=True,
    )
    given = module.params
    folder = Path(given["folder"])
    try:
        look = style(given["role"], given["language"])
        before, after = load(folder), load(folder / "after")
        audit = Audit(
            change=given["change"],
            words=given["words"],
            kept=given["kept"],
            restored=given["restored"],
            order=order(before, after),
        )
        comparison = compare(assess(before._replace(experiment=None)), assess(after))
        comparison["audit"] = audit
        write_part(folder, EXPERIMENT, experiment(comparison, audit))
        bundle = load(folder)
        result = assess(bundle)
        report, audit_report = write_both(folder, bundle, result, comparison, look, (before, after))
    except (NotABundle, NotComparable, NotAsPublished) as error:
        module.fail_json(msg=look.language.said(error.args[0]))
    except OSError as error:
        module.fail_json(msg=explain(error, folder))
    said = [
        announcement(result, str(report), look.language),
        conclusion(comparison, str(audit_report), look.language),
    ]
    module.exit_json(
        changed=False,
        conclusion=comparison["conclusion"],
        verdict=result["verdict"],
        announce="\n".join(said),
    )


if __name__ == "__main__":
    main()
