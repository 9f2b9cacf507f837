"""What every module starts with that an operator's variables go to: none is misspelt, and where the project is."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Mapping, Tuple

from ansible.module_utils import basic

from .settings import problems, role_parameters

#: Options that all of them take.
ARGUMENTS: Dict[str, Dict[str, Any]] = {
    "reports_dir": {"type": "path", "default": "reports"},
    "root": {"type": "path", "default": "."},
    "extra_names": {"type": "list", "elements": "str", "default": []},
    "roles_path": {"type": "path", "required": True},
}


def start(arguments: Dict[str, Dict[str, Any]]) -> basic.AnsibleModule:
    """Parse ``arguments`` beside the common ones."""
    return basic.AnsibleModule(argument_spec=dict(ARGUMENTS, **arguments), supports_check_mode=True)


def refuse_slips(module: basic.AnsibleModule, settings: Mapping[str, Any], missing: str = "") -> None:
    """End ``module`` where variables are misspelt or not of their kind: one message that names them all.

    ``settings``: the operator's variables whose values are checked. ``missing``: what else is wrong, if anything.
    """
    roles = role_parameters(Path(module.params["roles_path"]))
    wrong = problems(dict(settings), module.params["extra_names"], roles) + ([missing] if missing else [])
    if wrong:
        module.fail_json(msg="\n".join(wrong))


def places(module: basic.AnsibleModule) -> Tuple[Path, Path]:
    """The project's folder, and the one where reports are kept."""
    root = Path(module.params["root"]).resolve()
    return root, root / module.params["reports_dir"]
