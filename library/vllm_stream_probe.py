#!/usr/bin/python
"""Run stream cases against a vLLM server, on the host where it runs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_stream_probe
short_description: Send stream cases to a vLLM server and time what comes back
description:
  - Sends one request after another, reads each stream with separate deadlines, and samples the server's counters,
    process clocks, health and GPUs in the same seconds.
  - A canary (a tiny second stream) is sent beside a stream that falls silent.
  - A stream is ended early when counters, canary and process clocks agree that nothing moves.
  - Returns whatever was observed, also of streams that failed; it never judges, and never fails for what a server does.
author: The streamdiag authors
options:
  base_url:
    description: The server's address as the host sees it.
    type: str
    required: true
  model:
    description: The model to ask.
    type: str
    default: ''
  api_key:
    description: The key that clients send as bearer token.
    type: str
    default: ''
  cases:
    description: Which cases to run, in this order.
    type: list
    elements: str
    choices: [simple, tools, codex, canary]
    default: [simple, tools, codex]
  processes:
    description: The server's processes, as C(vllm_target_info) returned them. Their clocks are read beside the stream.
    type: list
    elements: dict
    default: []
  deadlines:
    description:
      - Seconds for V(connect), V(headers), V(first_event), V(silence) between events, V(total), and V(patience), which
        replaces V(silence) while the server is seen working. Left out means the default.
    type: dict
    default: {}
  httpx_archive:
    description: The HTTP client to use, as returned by the lookup C(httpx_archive). Empty means the host's own httpx.
    type: str
    default: ''
attributes:
  check_mode:
    description: Changes nothing on the host, so it does the same in check mode.
    support: full
"""

EXAMPLES = r"""
- name: Send the simple stream
  vllm_stream_probe:
    base_url: http://127.0.0.1:8000
    model: openai/gpt-oss-120b
    cases: [simple]
    httpx_archive: "{{ lookup('httpx_archive') }}"
"""

RETURN = r"""
streams:
  description: One entry per case that was sent, in the shape C(Stream) of C(module_utils/streamdiag/bundle.py).
  type: list
  elements: dict
  returned: always
settled:
  description: Why no further case can add knowledge, or empty.
  type: str
  returned: always
progress:
  description: One line per case for the operator.
  type: str
  returned: always
"""

from ansible.module_utils.streamdiag.host.entry import start


def main() -> None:
    module = start(
        {
            "base_url": {"type": "str", "required": True},
            "model": {"type": "str", "default": ""},
            "cases": {
                "type": "list",
                "elements": "str",
                "choices": ["simple", "tools", "codex", "canary"],
                "default": ["simple", "tools", "codex"],
            },
            "processes": {"type": "list", "elements": "dict", "default": []},
            "deadlines": {"type": "dict", "default": {}},
        }
    )
    # After start(): these import the httpx that travelled here.
    from ansible.module_utils.streamdiag.host.outcome import describe_stream, settles
    from ansible.module_utils.streamdiag.host.probe import Server, run_case
    from ansible.module_utils.streamdiag.host.redact import Redactor
    from ansible.module_utils.streamdiag.host.watch import parse_deadlines

    given = module.params
    try:
        deadlines = parse_deadlines(given["deadlines"])
    except ValueError as error:
        module.fail_json(msg=str(error))
    server = Server(given["base_url"], given["model"], given["api_key"], given["processes"])
    redactor = Redactor()
    redactor.learn(given["api_key"])
    streams, settled = [], ""
    for case in given["cases"]:
        stream = run_case(case, server, deadlines)
        streams.append(redactor.tree(stream))
        settled = settles(stream)
        if settled:
            break
    module.exit_json(
        changed=False, streams=streams, settled=settled, progress="\n".join(describe_stream(s) for s in streams)
    )


if __name__ == "__main__":
    main()
