"""The request of the Codex CLI in shape and size: same keys, item types and headers, about 39 KB, our own words.

Shape as recorded from Codex CLI 0.163 against a loopback server: several ``developer`` and ``user``
messages, nine tools among them one ``namespace`` and ``web_search``, ``reasoning``, ``include``,
``prompt_cache_key``, ``client_metadata``; no ``accept-encoding`` header. The content is fixed and
neutral; what matters to a server is how much there is and of which type.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List

SESSION = "00000000-0000-7000-8000-000000000001"
PROMPT = "List all Python files in the current directory using the ls command."

_AREAS = (
    "reading files",
    "writing files",
    "searching a code base",
    "running tests",
    "building the project",
    "formatting and linting",
    "working with version control",
    "installing packages",
    "calling network services",
    "handling credentials",
    "editing configuration",
    "reviewing a change",
    "debugging a failure",
    "measuring performance",
    "writing documentation",
    "planning a larger task",
    "reporting progress",
    "asking the user",
    "recovering from an error",
    "finishing a task",
)
_GUIDANCE = (
    "## When {0}\n"
    "- State in one sentence what you are about to do before {0}, short enough to read at a glance.\n"
    "- Prefer the tools and conventions that the repository uses for {0}; look before you introduce others.\n"
    "- Keep the scope small: do what was asked about {0}, nothing beside it, and name what you left alone.\n"
    "- When {0} fails, read the whole message, form one hypothesis, test it, and only then try something else.\n"
    "- Never assume that {0} worked: look at the exit status and at the result, and say plainly when it did not.\n"
    "- If {0} could lose somebody's work, stop and ask first; a question costs less than a restored backup.\n"
    "- Summarise what {0} showed in a few lines with file names and line numbers, without repeating long output.\n\n"
)
_LIMITS = (
    "<limits>\nFiles can be read everywhere and written nowhere. Commands run without a network. What needs more than "
    "that is asked for with one sentence that says why; without an answer it is left undone, and the summary at the "
    "end of the turn names it. A command that was refused once is not tried again in another form.\n</limits>"
)
_TOOL_NOTES = (
    "Use it when the task at hand needs it and not otherwise. The call returns when the operation has ended or when "
    "the waiting time is over, whichever comes first; long output is cut in the middle and says so. Arguments are "
    "checked against the schema before anything is run, and a call that does not match is answered with the reason. "
    "Results are text meant for the model and not for the user: summarise them, quote only what matters, and never "
    "show credentials. "
)


def _message(role: str, number: int, *texts: str) -> Dict[str, Any]:
    return {
        "type": "message",
        "id": f"msg_{number:08d}-0000-7000-8000-000000000000",
        "role": role,
        "content": [{"type": "input_text", "text": text} for text in texts],
    }


def _function(name: str, notes: int, **properties: str) -> Dict[str, Any]:
    """A function tool with ``notes`` paragraphs of description and properties of the given JSON types."""
    return {
        "type": "function",
        "name": name,
        "description": f"The tool {name}. " + _TOOL_NOTES * notes,
        "strict": False,
        "parameters": {
            "type": "object",
            "properties": {
                key: {"type": kind, "description": "The {} of this call to {}.".format(key.replace("_", " "), name)}
                for key, kind in properties.items()
            },
            "required": sorted(properties)[:1],
            "additionalProperties": False,
        },
    }


def _tools() -> List[Dict[str, Any]]:
    return [
        _function("exec_command", 2, cmd="string", workdir="string", tty="boolean", yield_time_ms="number"),
        _function("write_stdin", 1, chars="string", session_id="number", yield_time_ms="number"),
        _function("request_user_input", 2, question="string", options="string"),
        _function("view_image", 1, path="string"),
        {
            "type": "namespace",
            "name": "multi_agent",
            "description": "Tools for spawning and managing sub-agents.",
            "tools": [
                _function("close_agent", 2, target="string"),
                _function("resume_agent", 2, id="string"),
                _function("send_input", 3, target="string", message="string", interrupt="boolean"),
                _function("spawn_agent", 6, task="string", model="string", workdir="string"),
                _function("wait_agent", 4, targets="string", timeout_ms="number"),
            ],
        },
        _function("get_goal", 1),
        _function("create_goal", 1, objective="string", token_budget="integer"),
        _function("update_goal", 3, status="string"),
        {"type": "web_search", "external_web_access": False},
    ]


def _turn_metadata(model: str) -> str:
    return json.dumps(
        {
            "session_id": SESSION,
            "thread_id": SESSION,
            "turn_id": SESSION,
            "window_id": SESSION + ":0",
            "window_number": 0,
            "request_kind": "turn",
            "history_initialization": "new",
            "thread_source": "user",
            "turn_trigger": "exec",
            "sandbox": "seccomp",
            "sandbox_mode": "read-only",
            "model": model,
        },
        separators=(",", ":"),
    )


def codex_headers() -> Dict[str, str]:
    """The headers that matter to a server or a proxy: what is accepted, and that no encoding is."""
    return {
        "accept": "text/event-stream",
        "content-type": "application/json",
        "originator": "codex_exec",
        "user-agent": "codex_exec/0.163.0 (Debian 12.0.0; x86_64) xterm (codex_exec; 0.163.0)",
        "session-id": SESSION,
        "thread-id": SESSION,
        "x-client-request-id": SESSION,
    }


def codex_body(model: str) -> Dict[str, Any]:
    """The JSON body of one turn, about 39 KB, for ``model``."""
    instructions = "You are a coding agent that works in a terminal beside a user.\n\n" + "".join(
        _GUIDANCE.format(area) for area in _AREAS
    )
    skills = "<skills_instructions>\n" + "".join(
        f"- skill {number}: instructions for {area}; read them before {area}.\n"
        for number, area in enumerate(_AREAS, start=1)
    )
    environment = (
        "<environment_context>\n  <cwd>/srv/project</cwd>\n  <shell>bash</shell>\n"
        "  <timezone>Etc/UTC</timezone>\n</environment_context>"
    )
    return {
        "model": model,
        "stream": True,
        "input": [
            _message("developer", 1, instructions),
            _message("developer", 2, skills + "</skills_instructions>", _LIMITS),
            _message("user", 3, environment),
            _message("user", 4, PROMPT),
        ],
        "tools": _tools(),
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "reasoning": {"summary": "auto"},
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": SESSION,
        "client_metadata": {
            "session_id": SESSION,
            "thread_id": SESSION,
            "turn_id": SESSION,
            "root_turn_id": SESSION,
            "x-codex-installation-id": SESSION,
            "x-codex-window-id": SESSION + ":0",
            "x-codex-turn-metadata": _turn_metadata(model),
        },
    }
