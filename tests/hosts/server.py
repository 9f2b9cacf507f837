"""The real vLLM as the host's systemd unit `vllm`: install it, change its flags and variables, wait for it."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .host import Host
from .processes import Process, descendants
from .server_files import MODEL

UNIT_FILE = Path(__file__).parent / "files" / "vllm.service"
PATIENCE = 180.0  # seconds until a started server must answer
# No proxy of this machine may come between: the hosts are right here.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class NotReady(RuntimeError):
    """The server did not answer in time; the message ends with what it logged."""


@dataclass
class Server:
    """The server of one host."""

    host: Host
    api_key: str = ""

    @property
    def drop_ins(self) -> Path:
        """The folder of the unit's drop-ins, as this machine sees it."""
        return self.host.root / "etc/systemd/system/vllm.service.d"

    def install(self) -> None:
        """Install, enable and start the unit, and wait until it answers."""
        shutil.copyfile(UNIT_FILE, self.host.root / "etc/systemd/system/vllm.service")
        self.host.enter("systemctl", "daemon-reload")
        self.host.enter("systemctl", "-q", "enable", "--now", "vllm")
        self.wait_ready()

    def request(self, path: str, body: Mapping[str, Any] | None = None, timeout: float = 10) -> tuple[int, str]:
        """The status and the body of one HTTP exchange with the server; raises OSError when there is none."""
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Content-Type": "application/json"}
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        request = urllib.request.Request(self.host.url + path, data, headers)
        try:
            with _opener.open(request, timeout=timeout) as answer:
                return answer.status, answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")

    def wait_ready(self, patience: float = PATIENCE, warm_up: bool = True) -> None:
        """Wait (seconds) until the model is listed and, with `warm_up`, one real response has warmed the server up."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if self.request("/v1/models", timeout=5)[0] == 200:
                    if not warm_up:
                        return
                    greeting = {"model": MODEL, "input": "Hello", "max_output_tokens": 8}
                    status, body = self.request(
                        "/v1/responses", greeting, timeout=max(5.0, deadline - time.monotonic())
                    )
                    if status == 200:
                        return
                    raise NotReady(f"{self.host.name}: the warm-up got status {status}: {body[:500]}")
            # Failed for good, or failing again and again: more patience would not help.
            if self.property("ActiveState") == "failed" or int(self.property("NRestarts") or 0) >= 2:
                break
            time.sleep(1)
        raise NotReady(f"{self.host.name}: vllm did not answer within {patience:g} s\n{self.log(30)}")

    def log(self, lines: int = 50) -> str:
        """The unit's last log lines."""
        return self.host.enter("journalctl", "--unit=vllm", "--output=cat", f"--lines={lines}", "--no-pager")

    def property(self, name: str) -> str:
        """One property of the unit, as systemctl shows it."""
        return self.host.enter("systemctl", "show", f"--property={name}", "--value", "vllm").strip()

    def command(self, before: str = "") -> str:
        """The command line of the unit file, as the drop-ins that are read before `before` have changed it."""
        files = [UNIT_FILE, *sorted(path for path in self.drop_ins.glob("*.conf") if path.name < f"{before}.conf")]
        rows = [row for path in files for row in path.read_text().splitlines()]
        return [row.removeprefix("ExecStart=") for row in rows if re.match("ExecStart=.", row)][-1]

    def configure(
        self,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        service: Mapping[str, str] | None = None,
        name: str = "50-test",
    ) -> Path:
        """Write a drop-in with more arguments, variables and [Service] settings; takes effect at the next restart.

        Only plain words: nothing is quoted for systemd.
        """
        rows = ["[Service]"]
        if arguments:
            rows += ["ExecStart=", f"ExecStart={self.command(before=name)} {' '.join(arguments)}"]
        rows += [f"Environment={key}={value}" for key, value in (environment or {}).items()]
        rows += [f"{key}={value}" for key, value in (service or {}).items()]
        self.drop_ins.mkdir(exist_ok=True)
        path = self.drop_ins / f"{name}.conf"
        path.write_text("\n".join(rows) + "\n")
        self.host.enter("systemctl", "daemon-reload")
        return path

    def remove_configuration(self, name: str = "50-test") -> None:
        """Take the drop-in away again; takes effect at the next restart."""
        (self.drop_ins / f"{name}.conf").unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # somebody else's drop-in may be there
            self.drop_ins.rmdir()
        self.host.enter("systemctl", "daemon-reload")

    def restart(self, wait: bool = True) -> None:
        """Restart the unit; a stopped or dead one too."""
        self.host.enter("systemctl", "reset-failed", "vllm", check=False)
        self.host.enter("systemctl", "restart", "vllm", timeout=150)
        if wait:
            self.wait_ready()

    def stop(self) -> None:
        """Stop the unit."""
        self.host.enter("systemctl", "stop", "vllm", timeout=150)

    @contextlib.contextmanager
    def configured(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        service: Mapping[str, str] | None = None,
    ) -> Iterator[Server]:
        """Run the server with other settings, and as it was before afterwards. Costs two restarts (40 to 60 s each).

        None when it runs with them already: so a caller who has several uses for the same settings makes them
        once around all. Inside other settings these come on top.
        """
        if service is None and self.runs_with(arguments, environment):
            yield self
            return
        name = f"{50 + len(list(self.drop_ins.glob('*.conf')))}-test"
        try:
            self.configure(arguments, environment, service, name)
            self.restart()
            yield self
        finally:
            self.remove_configuration(name)
            self.api_key = ""
            self.restart()

    def runs_with(self, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> bool:
        """Whether the running server has these arguments, side by side, and these variables."""
        try:
            main = self.main()
            variables = Path(f"/proc/{main.pid}/environ").read_bytes().decode(errors="replace").split("\0")
        except (LookupError, OSError):
            return False
        has_arguments = not arguments or f" {' '.join(arguments)} " in f" {main.title} "
        return has_arguments and all(f"{key}={value}" in variables for key, value in (environment or {}).items())

    def main(self) -> Process:
        """The API server: the unit's main process."""
        return self.host.main_process("vllm")

    def engine_core(self) -> Process:
        """The engine core: a child of the API server."""
        return self._descendant("VLLM::EngineCore")

    def worker(self) -> Process:
        """The worker: a child of the engine core."""
        return self._descendant("VLLM::Worker")

    def _descendant(self, title: str) -> Process:
        # By descent first: another server may run on the same host under the same title.
        for process in descendants(self.main(), self.host.processes()):
            if process.title.startswith(title):
                return process
        raise LookupError(f"{self.host.name}: no {title} below the unit's main process")
