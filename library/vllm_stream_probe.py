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
    description: Which cases to run, in this order, as far as they can add knowledge.
    type: list
    elements: str
    choices: [simple, tools, reasoning, codex, padded, chat, nonstream, tool_turn, public, canary]
    default: [simple]
  variants:
    description:
      - For the case V(public), which clients to play, one stream each.
      - V(gzip) accepts that encoding, the others do not; V(controller) says that this runs on the controller.
    type: list
    elements: str
    choices: ['', gzip, controller, controller-gzip]
    default: ['']
  counters_url:
    description: Where the server's counters are asked for, when that is not O(base_url).
    type: str
    default: ''
  seen:
    description: What this module returned as RV(seen) for the cases before these.
    type: list
    elements: dict
    default: []
  public:
    description: Whether a public URL was given, so that the case V(public) can follow.
    type: bool
    default: false
  repeat:
    description:
      - The number of this round when the same cases are sent again and again, for a comparison.
      - From 2 on every one of O(cases) is sent, whatever it can add, and RV(files) are named by the round.
    type: int
    default: 1
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
files:
  description: For each stream the name of its file in a bundle.
  type: list
  elements: str
  returned: always
seen:
  description: How the cases ended, O(seen) included.
  type: list
  elements: dict
  returned: always
not_sent:
  description: Those of O(cases) that could not add knowledge, each with the C(reason), and C(said), how that was made.
  type: dict
  returned: always
needless:
  description: Further cases that cannot add knowledge any more, like RV(not_sent).
  type: dict
  returned: always
progress:
  description: One line per case for the operator.
  type: str
  returned: always
"""

from ansible.module_utils.streamdiag.host.entry import start

CASES = ["simple", "tools", "reasoning", "codex", "padded", "chat", "nonstream", "tool_turn", "public", "canary"]
VARIANTS = ["", "gzip", "controller", "controller-gzip"]


def main() -> None:
    module = start(
        {
            "base_url": {"type": "str", "required": True},
            "model": {"type": "str", "default": ""},
            "cases": {"type": "list", "elements": "str", "choices": CASES, "default": ["simple"]},
            "variants": {"type": "list", "elements": "str", "choices": VARIANTS, "default": [""]},
            "counters_url": {"type": "str", "default": ""},
            "seen": {"type": "list", "elements": "dict", "default": []},
            "public": {"type": "bool", "default": False},
            "repeat": {"type": "int", "default": 1},
            "processes": {"type": "list", "elements": "dict", "default": []},
            "deadlines": {"type": "dict", "default": {}},
        }
    )
    # After start(): these import the httpx that travelled here.
    from ansible.module_utils.streamdiag.bundle import repeat_file, stream_file, stream_name
    from ansible.module_utils.streamdiag.host.outcome import describe_stream
    from ansible.module_utils.streamdiag.host.plan import needless, see
    from ansible.module_utils.streamdiag.host.probe import Server, run_case
    from ansible.module_utils.streamdiag.host.redact import Redactor
    from ansible.module_utils.streamdiag.host.watch import parse_deadlines
    from ansible.module_utils.streamdiag.said import as_said, with_said

    given = module.params
    try:
        deadlines = parse_deadlines(given["deadlines"])
    except ValueError as error:
        module.fail_json(msg=str(error))
    server = Server(given["base_url"], given["model"], given["api_key"], given["processes"], given["counters_url"])
    redactor = Redactor()
    redactor.learn(given["api_key"])
    streams, seen = [], as_said(given["seen"])
    not_sent = {}
    again = given["repeat"] > 1
    for case in given["cases"]:
        reason = "" if again else needless(seen, given["public"]).get(case)
        if reason:
            not_sent[case] = reason
            continue
        for variant in given["variants"]:
            stream = redactor.tree(run_case(case, server, deadlines, variant))
            streams.append(stream)
            seen = [*seen, see(as_said(stream))]
    names = [stream_name(stream) for stream in streams]
    module.exit_json(
        changed=False,
        streams=streams,
        files=[repeat_file(given["repeat"], name) if again else stream_file(name) for name in names],
        seen=with_said(seen),
        not_sent=with_said({case: {"reason": why} for case, why in not_sent.items()}),
        needless=with_said({case: {"reason": why} for case, why in needless(seen, given["public"]).items()}),
        progress="\n".join((f"repeat {given['repeat']}, " if again else "") + describe_stream(s) for s in streams),
    )


if __name__ == "__main__":
    main()
