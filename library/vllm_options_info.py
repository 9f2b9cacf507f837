#!/usr/bin/python
"""Ask the installed vLLM whether it knows options."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_options_info
short_description: Ask the installed vLLM whether it knows options
description:
  - Runs the unit's own program with C(--help), as the unit's user and with its environment; no server is started.
  - Takes as long as vLLM takes to be imported, at most 90 seconds for each of two questions.
author: The streamdiag authors
options:
  unit:
    description: The systemd unit of the server, with or without C(.service).
    type: str
    default: vllm
  options:
    description: Options as on the command line.
    type: list
    elements: str
    required: true
  api_key:
    description: The key that clients send as bearer token.
    type: str
    default: ''
  httpx_archive:
    description: The HTTP client to use, as returned by the lookup C(httpx_archive). Empty means the host's own httpx.
    type: str
    default: ''
attributes:
  check_mode:
    description: Reads only, so it does the same in check mode.
    support: full
"""

EXAMPLES = r"""
- name: Does this build know the flag?
  vllm_options_info:
    options: [--no-responses-compatibility-mode]
    httpx_archive: "{{ lookup('httpx_archive') }}"
  become: true
"""

RETURN = r"""
unknown:
  description: Those of the options that the program refuses.
  type: list
  elements: str
  returned: always
reason:
  description: Why the program could not be asked, or empty.
  type: str
  returned: always
progress:
  description: One line for the operator.
  type: str
  returned: always
"""

from ansible.module_utils.streamdiag.host.entry import start


def main() -> None:
    module = start(
        {
            "unit": {"type": "str", "default": "vllm"},
            "options": {"type": "list", "elements": "str", "required": True},
        }
    )
    # After start(): these import the httpx that travelled here.
    from ansible.module_utils.streamdiag.host.changing.help_text import ask, unknown
    from ansible.module_utils.streamdiag.host.changing.service import installed_program, read_service

    wanted = module.params["options"]
    program = installed_program(read_service(module.params["unit"]))
    if program is None:
        reason = "which program the unit starts cannot be told while it does not run"
        module.exit_json(changed=False, unknown=[], reason=reason, progress=reason)
    known = ask(program)
    refused = unknown(wanted, known.options) if known.options is not None else []
    if known.options is None:
        progress = f"the installed program could not be asked: {known.reason}"
    elif refused:
        progress = "the installed program does not know {}".format(", ".join(refused))
    else:
        progress = "the installed program knows {}".format(", ".join(wanted))
    module.exit_json(changed=False, unknown=refused, reason=known.reason, progress=progress)


if __name__ == "__main__":
    main()
