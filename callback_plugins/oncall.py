"""What an engineer on call sees while the play runs: one line per outcome, and never more than 5 s of silence."""

from __future__ import annotations

import threading
import time
from typing import Any

from ansible import constants as C
from ansible.plugins.callback.default import CallbackModule as DefaultCallback

DOCUMENTATION = r"""
name: oncall
type: stdout
author: The streamdiag authors
short_description: One line per outcome, a sign of life every few seconds
description:
  - Prints the line C(progress) of a module's result, failures with their message, and nothing for bookkeeping.
  - While a task runs, prints per host what is being tried, and for how long already.
  - With C(-v) the output is that of the default callback, with the signs of life.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
"""

#: Seconds of silence after which a sign of life is printed; the promise is 5.
SILENCE = 4.0


class CallbackModule(DefaultCallback):  # type: ignore[misc]  # Ansible ships no types
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "oncall"

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._running: dict[str, tuple[str, float]] = {}  # host -> (what is being tried, since when)
        self._last_output = time.monotonic()
        self._ended = threading.Event()
        # Ansible starts its workers under the display's lock, so a thread that prints through it is safe to fork from.
        threading.Thread(target=self._give_signs_of_life, daemon=True).start()

    @property
    def _verbose(self) -> bool:
        return bool(self._display.verbosity > 0)

    def _say(self, text: str, color: str | None = None) -> None:
        self._last_output = time.monotonic()
        self._display.display(text, color=color)

    def _give_signs_of_life(self) -> None:
        while not self._ended.wait(0.5):
            now = time.monotonic()
            if now - self._last_output < SILENCE:
                continue
            with self._lock:
                running = dict(self._running)
            by_task: dict[str, list[tuple[str, float]]] = {}
            for host, (task, since) in running.items():
                by_task.setdefault(task, []).append((host, now - since))
            for task, hosts in by_task.items():
                names = ", ".join(host for host, _seconds in hosts[:5])
                more = f" and {len(hosts) - 5} more" if len(hosts) > 5 else ""
                seconds = max(seconds for _host, seconds in hosts)
                try:
                    self._say(f"{names}{more} | {task} … {seconds:.0f} s", C.COLOR_VERBOSE)
                except OSError:  # whoever read the output is gone
                    return

    def _finished(self, result: Any) -> dict[str, Any]:
        with self._lock:
            self._running.pop(result.host.get_name(), None)
        return dict(result.result)

    def _lines(self, result: Any, text: str, color: str | None = None) -> None:
        host = result.host.get_name()
        for line in text.splitlines():
            # Words of a host must not move the cursor or hide what stands before them.
            plain = "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in line)
            self._say(f"{host} | {plain}" if plain else "", color)

    def v2_playbook_on_start(self, playbook: Any) -> None:
        if self._verbose:
            super().v2_playbook_on_start(playbook)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._last_output = time.monotonic()
        if self._verbose:
            super().v2_playbook_on_play_start(play)
        else:
            self._play = play

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        if self._verbose:
            super().v2_playbook_on_task_start(task, is_conditional)

    def v2_playbook_on_include(self, included_file: Any) -> None:
        if self._verbose:
            super().v2_playbook_on_include(included_file)

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        with self._lock:
            self._running[host.get_name()] = (task.get_name().split(" : ", 1)[-1], time.monotonic())
        if self._verbose:
            super().v2_runner_on_start(host, task)

    def v2_runner_on_ok(self, result: Any) -> None:
        outcome = self._finished(result)
        if self._verbose:
            super().v2_runner_on_ok(result)
        if outcome.get("progress"):
            self._lines(result, str(outcome["progress"]))
        if outcome.get("announce"):
            self._say("")
            for line in str(outcome["announce"]).splitlines():
                self._say(line)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        outcome = self._finished(result)
        if self._verbose:
            super().v2_runner_on_failed(result, ignore_errors)
            return
        message = str(outcome.get("msg") or outcome.get("message") or "no message").strip()
        message = message.removeprefix("Task failed: ").split("\n>>> ", 1)[0]  # Ansible's frame around the words
        words = str(outcome.get("module_stderr") or "").strip()
        if words and "Traceback" not in words:
            message += f" (the host said: {words[-300:]})"
        details = str(outcome.get("module_stderr") or outcome.get("exception") or "").strip()
        task = result.task.get_name().split(" : ", 1)[-1]
        color = C.COLOR_WARN if ignore_errors else C.COLOR_ERROR
        self._lines(result, f"{task}: {message}", color)
        if details and details not in message and "Traceback" in details:
            self._lines(result, details, color)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        outcome = self._finished(result)
        if self._verbose:
            super().v2_runner_on_unreachable(result)
            return
        self._lines(result, f"unreachable: {str(outcome.get('msg', '')).strip()}", C.COLOR_UNREACHABLE)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._finished(result)
        if self._verbose:
            super().v2_runner_on_skipped(result)

    def v2_runner_retry(self, result: Any) -> None:
        """A look that has to be repeated: what it saw, in place of Ansible's words for it."""
        if self._verbose:
            super().v2_runner_retry(result)
        elif result.result.get("progress"):
            self._lines(result, str(result.result["progress"]))

    def v2_runner_item_on_ok(self, result: Any) -> None:
        if self._verbose:
            super().v2_runner_item_on_ok(result)

    def v2_runner_item_on_skipped(self, result: Any) -> None:
        if self._verbose:
            super().v2_runner_item_on_skipped(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._ended.set()
        if self._verbose:
            super().v2_playbook_on_stats(stats)
