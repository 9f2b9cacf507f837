"""``make demo``: the incident on this machine. A hanging server is started on loopback, diagnosed, and stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FAULT = "engine_stalled"
READY_SECONDS = 20.0


def start_server(folder: Path, *arguments: str) -> tuple[subprocess.Popen[bytes], str]:
    """Start the simulator with ``arguments``; returns its process and base URL. Its log goes to ``folder``.

    Raises RuntimeError with that log when it does not come up.
    """
    ready_file, log_file = folder / "ready", folder / "simulator.log"
    command = [sys.executable, "-m", "simulator", "--port", "0", "--ready-file", str(ready_file), *arguments]
    with log_file.open("wb") as log:
        server = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        if ready_file.exists() and ready_file.read_text(encoding="utf-8").strip():
            return server, ready_file.read_text(encoding="utf-8").strip()
        time.sleep(0.1)
    stop(server)
    raise RuntimeError(f"the simulator did not come up:\n{log_file.read_text(encoding='utf-8', errors='replace')}")


def stop(server: subprocess.Popen[bytes]) -> None:
    """By process id; the simulator ends its own engine process."""
    server.terminate()
    try:
        server.wait(timeout=5)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def main() -> int:
    """Exit status: that of the play, or 1 when the verdict is not the one that the fault deserves."""
    with tempfile.TemporaryDirectory(prefix="streamdiag-demo-") as folder:
        try:
            server, base_url = start_server(Path(folder), "--fault", FAULT)
        except RuntimeError as error:
            print(error, file=sys.stderr)
            return 1
        print(f"a server with the fault {FAULT} listens at {base_url}: its /health answers, its streams hang\n")
        arguments = ["diagnose.yml", "-i", "inventory/demo.yml", "-l", "demo", "-e", f"vllm_base_url={base_url}"]
        print("$ ansible-playbook " + " ".join(arguments), flush=True)
        bin_folder = str(Path(sys.executable).parent)
        environment = dict(os.environ, PATH=bin_folder + os.pathsep + os.environ.get("PATH", ""))
        try:
            play = subprocess.run(["ansible-playbook", *arguments], cwd=ROOT, env=environment, check=False)
        finally:
            stop(server)
    if play.returncode:
        return play.returncode
    result = json.loads((ROOT / "reports/latest/demo/result.json").read_text(encoding="utf-8"))
    found = (result["verdict"]["status"], result["verdict"]["primary_cause"])
    if found != ("broken", FAULT):
        print(f"the verdict should be ('broken', '{FAULT}') and is {found}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
