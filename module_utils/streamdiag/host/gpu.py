"""The GPUs, from ``nvidia-smi -q -x``: its XML has had the same form, with new names, since driver 390."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Optional
from xml.etree import ElementTree
from xml.parsers import expat

from ..bundle import Gpu, Gpus
from ..words import say
from . import command

_MAX_BYTES = 8 * 1024 * 1024
_UNITS = {"B": 1, "KIB": 1024, "KB": 1024, "MIB": 1024**2, "MB": 1024**2, "GIB": 1024**3, "GB": 1024**3}
_LOST = re.compile(r"GPU is lost|requires (?:a )?reset|fallen off the bus|Unknown Error|^\[?ERR!?\]?$", re.IGNORECASE)
_BUS_ID = re.compile(r"GPU\s*((?:[0-9A-F]{4,8}:)?[0-9A-F]{2}:[0-9A-F]{2}\.[0-9A-F])", re.IGNORECASE)


class _Unsafe(ValueError):
    """The XML declares entities: nvidia-smi never does, and expanding them can eat all memory."""


def read_gpus(timeout: float) -> Gpus:
    """All GPUs that nvidia-smi sees. ``timeout`` in seconds. ``reason`` carries nvidia-smi's own words."""
    result = command.run(["nvidia-smi", "-q", "-x"], timeout, _MAX_BYTES)
    if result.missing:
        return Gpus(state="absent", reason=say("no nvidia-smi on this host"), driver_version="", gpus=[])
    if result.timed_out:
        late = say("nvidia-smi did not answer within {seconds:g} s", seconds=timeout)
        stuck = say("{late} and cannot be killed: it sleeps in the kernel driver", late=late)
        return Gpus(state="failed", reason=stuck if result.stuck else late, driver_version="", gpus=[])
    gpus = parse_xml(result.stdout)
    words = " ".join((result.stderr + " " + result.stdout[: _xml_start(result.stdout)]).split())[:400]
    if result.rc == 0 and gpus["state"] == "ok":
        gpus["reason"] = words if _LOST.search(words) else gpus["reason"]
        return _with_lost(gpus, words)
    if gpus["gpus"]:  # the others still answer: what they say is worth having
        gpus["state"] = "ok"
        gpus["reason"] = words or gpus["reason"] or say("nvidia-smi ended with code {code}", code=result.rc)
        return _with_lost(gpus, words)
    denied = result.rc == 4 or "insufficient permissions" in words.lower()
    silent = say("nvidia-smi ended with code {code} and said nothing", code=result.rc)
    reason = words or gpus["reason"] or silent
    return _with_lost(Gpus(state="denied" if denied else "failed", reason=reason, driver_version="", gpus=[]), words)


def parse_xml(text: str) -> Gpus:
    """The XML of ``nvidia-smi -q -x``; text before it is skipped. Never raises: ``failed`` with the reason."""
    try:
        log = _parse(text[_xml_start(text) :])
    except (expat.ExpatError, _Unsafe) as error:
        reason = say("nvidia-smi printed no whole XML: {error}", error=str(error))
        return Gpus(state="failed", reason=reason, driver_version="", gpus=[])
    gpus = [_gpu(index, element) for index, element in enumerate(log.iter("gpu"))]
    driver = _known(log, "driver_version") or ""
    if not gpus:
        return Gpus(state="failed", reason=say("nvidia-smi shows no GPU"), driver_version=driver, gpus=[])
    return Gpus(state="ok", reason="", driver_version=driver, gpus=gpus)


def _xml_start(text: str) -> int:
    """Where the XML begins; the end of the text when there is none."""
    starts = [at for at in (text.find("<?xml"), text.find("<nvidia_smi_log")) if at >= 0]
    return min(starts) if starts else len(text)


def _parse(text: str) -> ElementTree.Element:
    """An element tree, from a document that declares no entities. The real one has a DOCTYPE, which is not loaded."""

    def refuse(*_: Any) -> None:
        raise _Unsafe("it declares entities")

    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.Parse(text, True)
    return builder.close()


def _gpu(index: int, element: ElementTree.Element) -> Gpu:
    gpu = Gpu(
        index=index,
        name=_known(element, "product_name") or "",
        uuid=_known(element, "uuid") or "",
        utilization_percent=_number(_known(element, "utilization/gpu_util")),
        memory_used_bytes=_bytes(_known(element, "fb_memory_usage/used")),
        memory_total_bytes=_bytes(_known(element, "fb_memory_usage/total")),
        temperature_celsius=_number(_known(element, "temperature/gpu_temp")),
        ecc_uncorrected=_uncorrected(element),
        throttle_reasons=_throttle_reasons(element),
        processes=[_process(one) for one in element.iter("process_info")],
    )
    for path in ("product_name", "utilization/gpu_util", "fb_memory_usage/used", "temperature/gpu_temp", "uuid"):
        words = (element.findtext(path) or "").strip()
        if _LOST.search(words):
            gpu["lost"] = words
            gpu["name"] = "" if _LOST.search(gpu["name"]) else gpu["name"]
            gpu["uuid"] = "" if _LOST.search(gpu["uuid"]) else gpu["uuid"]
            break
    return gpu


def _with_lost(gpus: Gpus, words: str) -> Gpus:
    """A GPU that nvidia-smi can only complain about has no place in its XML: index -1, its bus id as name."""
    match = _BUS_ID.search(words)
    if match is not None and _LOST.search(words) and not any(gpu.get("lost") for gpu in gpus["gpus"]):
        gpus["gpus"].append(Gpu(index=-1, name=match.group(1), uuid="", lost=words))
    return gpus


def _known(element: ElementTree.Element, path: str) -> Optional[str]:
    """The text at ``path``; ``None`` for what nvidia-smi does not know."""
    text = (element.findtext(path) or "").strip()
    return None if text.strip("[]").lower() in ("", "n/a", "not supported", "unknown", "not found") else text


def _number(text: Optional[str]) -> Optional[float]:
    """``"37 %"``, ``"61 C"`` -> the number."""
    match = re.match(r"-?\d+(?:\.\d+)?", text or "")
    return float(match.group()) if match is not None else None


def _bytes(text: Optional[str]) -> Optional[int]:
    """``"81559 MiB"`` -> bytes. Old drivers write MB and mean MiB."""
    match = re.match(r"(\d+)\s*([A-Za-z]+)", text or "")
    scale = _UNITS.get(match.group(2).upper()) if match is not None else None
    return int(match.group(1)) * scale if match is not None and scale is not None else None


def _uncorrected(element: ElementTree.Element) -> Optional[int]:
    """Uncorrected errors since the driver was loaded. Up to Volta: ``double_bit/total``; then sram and dram fields,
    where newer drivers split sram into parity and secded."""
    volatile = element.find("ecc_errors/volatile")
    if volatile is None:
        return None
    total = _number(_known(volatile, "double_bit/total"))
    if total is not None:
        return int(total)
    counts = [
        _number(_known(volatile, child.tag))
        for child in volatile
        if re.match(r"(?:sram|dram)_uncorrectable(?:_parity|_secded)?\Z", child.tag)
    ]
    seen = [count for count in counts if count is not None]
    return int(sum(seen)) if seen else None


def _throttle_reasons(element: ElementTree.Element) -> List[str]:
    """``["sw_power_cap"]``: ``clocks_throttle_reasons`` up to driver 535, ``clocks_event_reasons`` from then on."""
    reasons = []
    for group in ("clocks_event_reasons", "clocks_throttle_reasons"):
        for child in element.findall(group + "/*"):
            if (child.text or "").strip().lower() == "active":
                reasons.append(re.sub(r"^clocks_(?:event|throttle)_reasons?_", "", child.tag))
    return reasons


def _process(element: ElementTree.Element) -> Dict[str, Any]:
    pid = _number(_known(element, "pid"))
    return {
        "pid": int(pid) if pid is not None else None,
        "name": _known(element, "process_name") or "",
        "memory_used_bytes": _bytes(_known(element, "used_memory")),
    }
