"""The client that travels: on every Python that a host may have, without a package installed, without a trace."""

from __future__ import annotations

import base64
import glob
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

pytest.importorskip("ansible", reason="the archive is built by a lookup plugin of Ansible")

from lookup_plugins.httpx_archive import DISTRIBUTIONS, AnsibleError, build_archive
from streamdiag.host import client

HOME = Path(__file__).parents[3]
VERSIONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13")

#: What runs on the host: nothing but its own standard library and what came through stdin.
TRY = """
import importlib, json, sys, types
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
assert not [path for path in sys.path if "site-packages" in path], sys.path
from streamdiag.host.client import use_archive
use_archive(sys.stdin.read())
# Stands in for Ansible, which brings itself along and does not run in every Python that its modules do.
for name in ("ansible", "ansible.module_utils", "ansible.module_utils.basic"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["ansible.module_utils.basic"].AnsibleModule = object
for name in sys.argv[3:]:
    importlib.import_module(name)
import httpx
from streamdiag.host.endpoints import get
from streamdiag.host.probe import Server, run_case
from streamdiag.host.watch import Deadlines
loaded = [m.__file__ for name, m in sys.modules.items() if name.split(".")[0] in ("httpx", "h11", "httpcore", "idna")]
assert all(path.startswith("/proc/self/fd/") for path in loaded), loaded
stream = run_case("simple", Server(sys.argv[2], "m"), Deadlines(total=20.0))
print(json.dumps([get(sys.argv[2], "/health")["http_status"], stream["http_status"], stream["end"]["how"],
                  [event["name"] for event in stream["events"]], httpx.__version__]))
"""


def python(version):
    """An interpreter of this version: from PYTHONS (a list like PATH), from the path, or from pyenv."""
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    candidates = [one for one in os.environ.get("PYTHONS", "").split(os.pathsep) if one]
    candidates += [one for one in [shutil.which("python" + version)] if one]
    candidates += sorted(glob.glob(os.path.join(pyenv, "versions", version + ".*", "bin", "python")))
    for one in candidates:
        says = subprocess.run(
            [one, "-I", "-S", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        if says.stdout.decode().strip() == version:
            return one
    pytest.skip(f"no Python {version} on the path, under pyenv or in PYTHONS")
    return None


@pytest.fixture(scope="module")
def archive():
    return build_archive()


@pytest.fixture(scope="module")
def server():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.answer(b"", "text/plain")

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.answer(b"event: response.completed\ndata: {}x\n\n", "text/event-stream")

        def answer(self, body, kind):
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{listening.server_address[1]}"
        listening.shutdown()
        thread.join()


def run(interpreter, program, folder, archive, *arguments):
    """Run ``program`` with nothing in the environment, and with all places for temporary files in ``folder``."""
    folder.mkdir()
    environment = {"HOME": str(folder), "TMPDIR": str(folder), "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(
        [interpreter, "-I", "-S", "-W", "error", "-c", program, *arguments],
        input=base64.b64encode(archive),
        capture_output=True,
        env=environment,
        cwd=str(folder),
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr.decode()
    assert ran.stderr == b""
    assert list(folder.iterdir()) == []
    return ran.stdout.decode()


@pytest.fixture(scope="module")
def host_files(tmp_path_factory):
    """The module files alone, as they travel; nobody may write beside them."""
    folder = tmp_path_factory.mktemp("travelled")
    shutil.copytree(
        str(HOME / "module_utils" / "streamdiag"),
        str(folder / "streamdiag"),
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    return folder


@pytest.mark.parametrize("version", VERSIONS)
def test_it_works_on_every_python(version, archive, server, host_files, tmp_path):
    """Every file of the host's side imports, and two requests are made; nothing is written anywhere."""
    before = sorted(host_files.rglob("*"))
    files = sorted((host_files / "streamdiag" / "host").glob("*.py"))
    names = ["streamdiag.host." + file.stem for file in files if file.stem != "__init__"]
    assert len(names) > 20
    ground = ["streamdiag." + name for name in ("bundle", "responses", "clocks", "store")]
    out = run(python(version), TRY, tmp_path / "host", archive, str(host_files), server, *ground, *names)
    assert out.startswith('[200, 200, "closed", ["response.completed"], "')
    assert sorted(host_files.rglob("*")) == before


def test_the_same_packages_make_the_same_archive(archive):
    assert build_archive() == archive
    assert len(base64.b64encode(archive)) < 1_000_000  # it travels with every call


def test_nothing_but_python_travels(archive):
    names = zipfile.ZipFile(BytesIO(archive)).namelist()
    assert names == list(dict.fromkeys(names))
    assert all(re.fullmatch(r"[a-z0-9_]+(/[A-Za-z0-9_]+)*\.py", name) for name in names)
    assert {"httpx/__init__.py", "h11/__init__.py", "httpcore/__init__.py", "typing_extensions.py"} <= set(names)


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr("lookup_plugins.httpx_archive.DISTRIBUTIONS", (*DISTRIBUTIONS, "no-such-distribution"))
    with pytest.raises(AnsibleError, match=r"no-such-distribution is not installed.*make setup"):
        build_archive()


def test_without_an_archive_the_hosts_own_client_is_used(monkeypatch):
    path = list(sys.path)
    client.use_archive("")
    assert sys.path == path
    monkeypatch.setitem(sys.modules, "httpx", None)  # none there
    with pytest.raises(client.ClientMissing, match="httpx cannot be imported on this host"):
        client.use_archive("")


def test_the_trust_store_verifies_and_is_loaded_once():
    context = client.trust_store()
    assert context is client.trust_store()
    assert context.check_hostname and context.verify_mode.name == "CERT_REQUIRED"
