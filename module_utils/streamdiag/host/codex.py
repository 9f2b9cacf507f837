"""The request of the Codex CLI in shape and size: same keys, item types, tools and headers, about 39 KB, our own words.

As Codex CLI 0.163 sends it (``tests/codex`` compares with the real one): several ``developer`` and ``user``
messages, nine tools among them one ``namespace`` and ``web_search``, ``reasoning``, ``include``,
``prompt_cache_key``, ``client_metadata``; no ``accept-encoding`` header. The content is fixed and
neutral; what matters to a server is how much there is and of which type. Names and types of tools and
of their arguments are the client's: a server makes its grammar and its parser from them.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional

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


Schema = Dict[str, Any]


def _plain(kind: str, about: str) -> Schema:
    return {"type": kind, "description": f"The {about}, as the task at hand needs it."}


def _text(about: str) -> Schema:
    return _plain("string", about)


def _number(about: str) -> Schema:
    return _plain("number", about)


def _switch(about: str) -> Schema:
    return _plain("boolean", f"switch that says whether to use {about}")


def _choice(about: str, *values: str) -> Schema:
    return dict(_text(about), enum=list(values))


def _list_of(items: Schema, about: str) -> Schema:
    return dict(_plain("array", about), items=items)


def _object(required: Optional[List[str]], properties: Dict[str, Schema]) -> Schema:
    schema: Schema = {"type": "object", "properties": properties}
    if required is not None:
        schema["required"] = required
    return dict(schema, additionalProperties=False)


def _function(name: str, notes: int, required: Optional[List[str]], **properties: Schema) -> Dict[str, Any]:
    """A function tool with ``notes`` paragraphs of description. ``required`` None: the schema has no such key."""
    return {
        "type": "function",
        "name": name,
        "description": f"The tool {name}. " + _TOOL_NOTES * notes,
        "strict": False,
        "parameters": _object(required, properties),
    }


def _questions() -> Schema:
    option = _object(["label", "description"], {"description": _text("effect"), "label": _text("short name")})
    return _list_of(
        _object(
            ["id", "header", "question", "options"],
            {
                "header": _text("heading"),
                "id": _text("identifier of the question"),
                "options": _list_of(option, "answers to choose from, the recommended one first"),
                "question": _text("question in one sentence"),
            },
        ),
        "questions",
    )


def _agent_items() -> Schema:
    kinds = ("audio_url", "image_url", "name", "path", "text", "type")
    return _list_of(
        _object(None, {kind: _text(f"{kind} of this part of the input") for kind in kinds}), "input in parts"
    )


def _agents() -> Dict[str, Any]:
    return {
        "type": "namespace",
        "name": "multi_agent_v1",
        "description": "Tools for starting further agents and for talking to them.",
        "tools": [
            _function("close_agent", 1, ["target"], target=_text("agent to close")),
            _function("resume_agent", 0, ["id"], id=_text("agent to resume")),
            _function(
                "send_input",
                1,
                ["target"],
                interrupt=_switch("an interrupt before the input is read"),
                items=_agent_items(),
                message=_text("input in plain text"),
                target=_text("agent to talk to"),
            ),
            _function(
                "spawn_agent",
                11,
                None,
                fork_context=_switch("a copy of this conversation"),
                items=_agent_items(),
                message=_text("first input in plain text"),
                model=_text("model of the new agent"),
                reasoning_effort=_text("effort of the new agent"),
            ),
            _function(
                "wait_agent",
                1,
                ["targets"],
                targets=_list_of({"type": "string"}, "agents to wait for"),
                timeout_ms=_number("longest time to wait, in milliseconds"),
            ),
        ],
    }


def _tools() -> List[Dict[str, Any]]:
    return [
        _function(
            "exec_command",
            0,
            ["cmd"],
            cmd=_text("command line for the shell"),
            justification=_text("question to ask before the command is run outside of the sandbox"),
            login=_switch("a login shell"),
            max_output_tokens=_number("length to which the output is cut, in tokens"),
            prefix_rule=_list_of(
                {"type": "string"}, "first words of commands that may be run like this one from now on"
            ),
            sandbox_permissions=_choice("permission that the command needs", "use_default", "require_escalated"),
            shell=_text("shell that reads the command line"),
            tty=_switch("a terminal"),
            workdir=_text("folder in which the command is run"),
            yield_time_ms=_number("time after which what there is of the output is returned, in milliseconds"),
        ),
        _function(
            "write_stdin",
            0,
            ["session_id"],
            chars=_text("characters to write, none to look only"),
            max_output_tokens=_number("length to which the output is cut, in tokens"),
            session_id=_number("command that is still running"),
            yield_time_ms=_number("time after which what there is of the output is returned, in milliseconds"),
        ),
        _function("request_user_input", 0, ["questions"], questions=_questions()),
        _function("view_image", 0, ["path"], path=_text("file of the image")),
        _agents(),
        _function("get_goal", 0, []),
        _function(
            "create_goal",
            1,
            ["objective"],
            objective=_text("goal in a sentence"),
            token_budget=_plain("integer", "tokens that may be spent on it"),
        ),
        _function("update_goal", 3, ["status"], status=_choice("state of the goal", "complete", "blocked", "paused")),
        {"type": "web_search", "external_web_access": False},
    ]


def _turn_metadata(model: str) -> str:
    return json.dumps(
        {
            "installation_id": SESSION,
            "session_id": SESSION,
            "thread_id": SESSION,
            "agent_name": "/root",
            "turn_id": SESSION,
            "window_id": SESSION + ":0",
            "window_number": 0,
            "context_window_id": SESSION,
            "request_kind": "turn",
            "history_initialization": "new",
            "root_turn_id": SESSION,
            "thread_source": "user",
            "turn_trigger": "exec",
            "sandbox": "seccomp",
            "sandbox_mode": "read-only",
            "auto_review_enabled": False,
            "node_repl_auto_review_required": False,
            "node_repl_disabled": False,
            "turn_started_at_unix_ms": 1767225600000,
            "analytics_enabled": True,
            "model": model,
        },
        separators=(",", ":"),
    )


def codex_headers(model: str) -> Dict[str, str]:
    """The client's headers but for ``host``, ``content-length`` and ``authorization``. No encoding is accepted."""
    return {
        "x-codex-beta-features": "remote_compaction_v2",
        "x-codex-window-id": SESSION + ":0",
        "x-codex-turn-metadata": _turn_metadata(model),
        "x-client-request-id": SESSION,
        "session-id": SESSION,
        "thread-id": SESSION,
        "accept": "text/event-stream",
        "content-type": "application/json",
        "originator": "codex_exec",
        "user-agent": "codex_exec/0.163.0 (Debian 12.0.0; x86_64) unknown (codex_exec; 0.163.0)",
    }


def codex_body(model: str) -> Dict[str, Any]:
    """The JSON body of the first turn, about 39 KB, for ``model``."""
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
