"""What every module that runs on a host starts with: the client that travelled here, and a key that must not leak."""

from __future__ import annotations

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from .client import ClientMissing, use_archive

#: Options that all of them take.
ARGUMENTS: Dict[str, Dict[str, Any]] = {
    "httpx_archive": {"type": "str", "default": ""},
    "api_key": {"type": "str", "default": "", "no_log": True},
}
#: Ansible masks a secret wherever it occurs in a result; a dummy key such as ``EMPTY`` would blank ordinary words.
SHORTEST_SECRET = 8


def start(arguments: Dict[str, Dict[str, Any]]) -> AnsibleModule:
    """Parse ``arguments`` beside the common ones, make ``import httpx`` work, or exit with a message."""
    module = AnsibleModule(argument_spec=dict(ARGUMENTS, **arguments), supports_check_mode=True)
    archive, module.params["httpx_archive"] = module.params["httpx_archive"], "(travelled)"
    if len(module.params["api_key"]) < SHORTEST_SECRET:
        module.no_log_values.discard(module.params["api_key"])
    try:
        use_archive(archive)
    except ClientMissing as missing:
        module.fail_json(msg=str(missing))
    return module
