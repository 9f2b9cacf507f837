"""nvidia-smi's XML in the forms that drivers print, and what it says when it cannot."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from streamdiag.host.gpu import parse_xml, read_gpus

DATA = Path(__file__).parents[2] / "data" / "nvidia-smi"

OLD = """<?xml version="1.0" ?>
<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v9.dtd">
<nvidia_smi_log>
  <driver_version>390.157</driver_version>
  <gpu id="00000000:01:00.0">
    <product_name>Tesla V100</product_name><uuid>GPU-1</uuid>
    <clocks_throttle_reasons>
      <clocks_throttle_reason_gpu_idle>Not Active</clocks_throttle_reason_gpu_idle>
      <clocks_throttle_reason_hw_thermal_slowdown>Active</clocks_throttle_reason_hw_thermal_slowdown>
    </clocks_throttle_reasons>
    <fb_memory_usage><total>16160 MB</total><used>N/A</used></fb_memory_usage>
    <utilization><gpu_util>N/A</gpu_util></utilization>
    <ecc_errors>
      <volatile><single_bit><total>9</total></single_bit><double_bit><device_memory>1</device_memory><total>3</total></double_bit></volatile>
      <aggregate><double_bit><total>7</total></double_bit></aggregate>
    </ecc_errors>
    <temperature><gpu_temp>61 C</gpu_temp></temperature>
    <processes><process_info><pid>42</pid><type>C</type><process_name>[Not Found]</process_name><used_memory>12 MiB</used_memory></process_info></processes>
  </gpu>
</nvidia_smi_log>
"""


def test_real_forms():
    for name, used in (("idle", 73914), ("busy", 74386)):
        gpus = parse_xml((DATA / (name + ".xml")).read_text(encoding="utf-8"))
        assert gpus["state"] == "ok" and gpus["driver_version"]
        first = gpus["gpus"][0]
        assert first["index"] == 0 and first["uuid"].startswith("GPU-") and "H100" in first["name"]
        assert first["memory_used_bytes"] == used * 1024**2 and first["memory_total_bytes"] == 81559 * 1024**2
        assert first["ecc_uncorrected"] == 0 and "lost" not in first
        assert first["processes"][0]["name"].startswith("VLLM::Worker")
    assert gpus["gpus"][0]["utilization_percent"] > 90 and gpus["gpus"][0]["throttle_reasons"] == ["sw_power_cap"]


def test_ecc_errors_of_newer_drivers():
    gpus = parse_xml((DATA / "ecc_error.xml").read_text(encoding="utf-8"))
    assert [gpu["ecc_uncorrected"] for gpu in gpus["gpus"]] == [0, 2]


def test_ecc_errors_of_drivers_between():
    text = (
        "<nvidia_smi_log><gpu><ecc_errors><volatile><sram_correctable>5</sram_correctable>"
        "<sram_uncorrectable>1</sram_uncorrectable><dram_correctable>N/A</dram_correctable>"
        "<dram_uncorrectable>2</dram_uncorrectable></volatile></ecc_errors></gpu></nvidia_smi_log>"
    )
    assert parse_xml(text)["gpus"][0]["ecc_uncorrected"] == 3


def test_an_old_driver():
    gpus = parse_xml(OLD)
    assert gpus == {
        "state": "ok",
        "reason": "",
        "driver_version": "390.157",
        "gpus": [
            {
                "index": 0,
                "name": "Tesla V100",
                "uuid": "GPU-1",
                "utilization_percent": None,
                "memory_used_bytes": None,
                "memory_total_bytes": 16160 * 1024**2,
                "temperature_celsius": 61.0,
                "ecc_uncorrected": 3,
                "throttle_reasons": ["hw_thermal_slowdown"],
                "processes": [{"pid": 42, "name": "", "memory_used_bytes": 12 * 1024**2}],
            }
        ],
    }


def test_a_gpu_that_knows_nothing():
    gpu = parse_xml("<nvidia_smi_log><gpu/></nvidia_smi_log>")["gpus"][0]
    assert gpu["ecc_uncorrected"] is None and gpu["temperature_celsius"] is None and gpu["processes"] == []


def test_a_gpu_that_is_lost():
    text = OLD.replace("<gpu_util>N/A", "<gpu_util>GPU is lost").replace("Tesla V100", "ERR!")
    gpu = parse_xml(text)["gpus"][0]
    assert gpu["lost"] == "ERR!" and gpu["name"] == "" and gpu["uuid"] == "GPU-1" and gpu["utilization_percent"] is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no xml",
        "<nvidia_smi_log>",
        "<nvidia_smi_log></nvidia_smi_log>",
        OLD[:500],
        '<!DOCTYPE x [<!ENTITY a "b">]><nvidia_smi_log><gpu><uuid>&a;</uuid></gpu></nvidia_smi_log>',
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x><gpu><uuid>&a;</uuid></gpu></x>',
        '<!DOCTYPE x [<!ENTITY % a SYSTEM "file:///etc/passwd"> %a;]><x><gpu/></x>',
        "<x><gpu><uuid>&undefined;</uuid></gpu></x>",
    ],
)
def test_what_is_no_answer(text):
    gpus = parse_xml(text)
    assert gpus["state"] == "failed" and gpus["reason"] and gpus["gpus"] == []


def test_entities_that_grow(program):
    lines = "".join('<!ENTITY e{} "{}">'.format(n + 1, f"&e{n};" * 10) for n in range(12))
    text = f'<!DOCTYPE x [<!ENTITY e0 "aaaaaaaaaa">{lines}]><x><gpu><uuid>&e12;</uuid></gpu></x>'
    started = time.monotonic()
    assert "entities" in parse_xml("<?xml version='1.0'?>" + text)["reason"]
    assert time.monotonic() - started < 1


def test_a_deep_document_does_not_break_us():
    assert parse_xml("<a>" * 100000)["state"] == "failed"


def test_no_nvidia_smi(no_program):
    assert read_gpus(1.0) == {
        "state": "absent",
        "reason": "no nvidia-smi on this host",
        "driver_version": "",
        "gpus": [],
    }


def test_a_whole_answer(program):
    asked = program("nvidia-smi", OLD)
    assert read_gpus(5.0)["gpus"][0]["name"] == "Tesla V100"
    assert asked.read_text() == "-q -x\n"


@pytest.mark.parametrize(
    "words, rc, state",
    [
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", 9, "failed"),
        ("Failed to initialize NVML: Driver/library version mismatch", 18, "failed"),
        ("No devices were found", 6, "failed"),
        ("Failed to initialize NVML: Insufficient Permissions", 4, "denied"),
        ("Unable to determine the device handle for GPU0000:2A:00.0: Unknown Error", 255, "failed"),
    ],
)
def test_nvidia_smi_in_its_own_words(program, words, rc, state):
    program("nvidia-smi", words + "\n\n", rc=rc)
    gpus = read_gpus(5.0)
    assert gpus["state"] == state and gpus["reason"] == words
    lost = [(gpu["name"], gpu["lost"]) for gpu in gpus["gpus"]]
    assert lost == ([("0000:2A:00.0", words)] if "GPU0000" in words else [])


def test_one_lost_among_others(program):
    words = "Unable to determine the device handle for GPU 0000:2A:00.0: GPU is lost.  Reboot the system"
    program("nvidia-smi", words + "\n" + OLD, rc=15)
    gpus = read_gpus(5.0)
    assert gpus["state"] == "ok" and gpus["reason"].startswith("Unable to determine")
    assert [gpu.get("lost", "") != "" for gpu in gpus["gpus"]] == [False, True]


def test_a_driver_that_hangs(program):
    program("nvidia-smi", body="trap '' INT TERM HUP; while :; do sleep 60; done")
    started = time.monotonic()
    gpus = read_gpus(0.5)
    assert time.monotonic() - started < 5
    assert gpus["state"] == "failed" and gpus["reason"] == "nvidia-smi did not answer within 0.5 s"


def test_silence(program):
    program("nvidia-smi", "", rc=1)
    assert os.environ["PATH"] and read_gpus(5.0)["reason"]
