"""A change of a unit's command: what is edited, what stays to the letter, what is refused."""

from __future__ import annotations

import pytest

from streamdiag.host.changing.change import BadChange, Change, compat_change, differences, read_change
from streamdiag.host.changing.command_line import CannotEdit
from streamdiag.host.changing.drop_in import build, mark_in
from streamdiag.host.changing.environment_file import parse_environment_file, write_environment_file
from streamdiag.host.changing.unit_file import UnitText, in_force

ON, OFF = "--responses-compatibility-mode", "--no-responses-compatibility-mode"
UNIT = "/etc/systemd/system/vllm.service"
SCRIPT = "#!/bin/bash\nset -e\n# starts it\nexec /opt/bin/vllm serve m --port 80 \\\n  {}\n"


def off():
    return compat_change("off", ON, OFF)


def made(command, change=None, rows="", files=None, environment=None, more=()):
    """The new command, or the drop-in's rows where the command is not touched."""
    unit = UnitText(UNIT, f"[Unit]\nDescription=x\n[Service]\n{rows}\nExecStart={command}\n")
    found = build([unit, *more], change or off(), "/run/x", environment or {}, (files or {}).get)
    rows = found.text.splitlines()
    assert mark_in(found.text) == found.mark
    return next((row.partition("=")[2] for row in rows if row.startswith("ExecStart=/")), "\n".join(rows[4:]))


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("/usr/bin/vllm serve m", f"/usr/bin/vllm serve m {OFF}"),
        (f"/usr/bin/vllm serve m {ON} --port 80", f"/usr/bin/vllm serve m --port 80 {OFF}"),
        ("/usr/bin/vllm serve m --responses_compatibility_mode", f"/usr/bin/vllm serve m {OFF}"),
        (f"/usr/bin/vllm serve {ON} m", f"/usr/bin/vllm serve m {OFF}"),
        (f"/usr/bin/vllm serve m {OFF} {ON}", f"/usr/bin/vllm serve m {OFF}"),
        ('/p -m vllm.entrypoints.openai.api_server --name "a  b" --x %i', None),
        ("/usr/bin/vllm serve m --port ${PORT} $MORE --at 100%%", None),
        ("/usr/bin/env A=1 /usr/bin/vllm serve m '--chat template' \"a\\x20b\"", None),
        ("-/usr/bin/vllm serve m", None),
        (f"/usr/bin/vllm serve m \\\n  # a comment\n  {ON} \\\n  --port 80", f"/usr/bin/vllm serve m --port 80 {OFF}"),
        (
            f"/bin/bash -c 'exec vllm serve m {ON} --x \"$HOME\" >>/log 2>&1; echo end'",
            f'/bin/bash -c "exec vllm serve m --x \\"$HOME\\" {OFF} >>/log 2>&1; echo end"',
        ),
        ("/bin/sh -ec 'cd /x && exec vllm serve m'", f'/bin/sh -ec "cd /x && exec vllm serve m {OFF}"'),
    ],
)
def test_commands(command, expected):
    if expected is None:
        expected = f"{command} {OFF}"
    new = made(command)
    assert new == expected if not command.startswith("-") else new.endswith(OFF)


@pytest.mark.parametrize("passes", ['"$@"', "$@", '--x 1 "$@"'])
def test_a_script_that_hands_its_arguments_on(passes):
    files = {"/opt/run.sh": SCRIPT.format(passes)}
    assert made("/opt/run.sh a", files=files) == f"/opt/run.sh a {OFF}"
    assert made("/bin/bash /opt/run.sh", files=files) == f"/bin/bash /opt/run.sh {OFF}"
    assert made("/opt/run.sh", files={"/opt/run.sh": SCRIPT.format(f"{ON} {passes}")}) == f"/opt/run.sh {OFF}"


@pytest.mark.parametrize(
    ("rows", "environment"),
    [
        (f'Environment="ARGS=--y 1 {ON}"', {}),
        ("EnvironmentFile=/etc/default/vllm", {"/etc/default/vllm": {"ARGS": f"--y 1 {ON}"}}),
        ('Environment="ARGS=--z"\nEnvironmentFile=/e', {"/e": {"ARGS": f"{ON} --y 1"}}),
    ],
)
def test_arguments_in_a_variable_are_written_out_only_where_one_has_to_go(rows, environment):
    assert (
        made("/usr/bin/vllm serve m $ARGS", rows=rows, environment=environment) == f"/usr/bin/vllm serve m --y 1 {OFF}"
    )
    in_shell = made("/bin/sh -c 'exec vllm serve m $ARGS'", rows=rows, environment=environment)
    assert in_shell == f'/bin/sh -c "exec vllm serve m --y 1 {OFF}"'
    kept = made("/usr/bin/vllm serve m $ARGS", rows='Environment="ARGS=--y 1"', environment={})
    assert kept == f"/usr/bin/vllm serve m $ARGS {OFF}"


def test_what_is_written_out_is_not_read_again():
    rows = f"Environment='ARGS={ON} --x \"a b\" --cost $5 --at 9%%'"
    assert made("/usr/bin/vllm serve $ARGS", rows=rows) == f'/usr/bin/vllm serve --x "a b" --cost $$5 --at 9%% {OFF}'


@pytest.mark.parametrize(
    ("command", "files", "words"),
    [
        ("/opt/run.sh", {"/opt/run.sh": SCRIPT.format("")}, 'end the server\'s line in /opt/run.sh with "$@"'),
        ("/opt/run.sh", {}, "no script that is known to"),
        ("/usr/bin/python3 /opt/serve.py", {"/opt/serve.py": "import vllm\n"}, "does not end the server's command"),
        ("/bin/sh -c '$(cat /x) vllm serve m'", {}, "a command substitution"),
        ("/bin/sh -c 'vllm serve a & vllm serve b'", {}, "more than one vLLM server"),
        ("/bin/sh -c /opt/x", {}, "no vLLM server by name"),
        ("/usr/bin/vllm serve m 'open", {}, "never closed"),
        ("/bin/true ; /usr/bin/vllm serve m", {}, "several commands"),
    ],
)
def test_refused_with_ways_out(command, files, words):
    with pytest.raises(CannotEdit) as refused:
        made(command, files=files)
    assert words in str(refused.value)
    assert "Two ways out" in str(refused.value) or "correct it" in str(refused.value)


def test_a_drop_in_that_is_read_after_ours():
    later = UnitText(
        "/etc/systemd/system/vllm.service.d/zzz.conf", "[Service]\nExecStart=\nExecStart=/usr/bin/vllm serve b\n"
    )
    with pytest.raises(CannotEdit, match=r"zzz.conf is read after ours.*Two ways out"):
        made("/usr/bin/vllm serve a", more=[later])
    harmless = UnitText("/etc/systemd/system/vllm.service.d/zzz.conf", "[Service]\nNice=1\n")
    assert made("/usr/bin/vllm serve a", more=[harmless]) == f"/usr/bin/vllm serve a {OFF}"


def test_an_earlier_drop_in_is_the_one_that_counts():
    earlier = UnitText(
        "/run/systemd/system/vllm.service.d/10.conf", f"[Service]\nExecStart=\nExecStart=/v/vllm serve b {ON}"
    )
    assert made("/usr/bin/vllm serve a", more=[earlier]) == f"/v/vllm serve b {OFF}"
    with pytest.raises(CannotEdit, match="2 commands"):
        made("/usr/bin/vllm serve a", more=[UnitText("/x/10.conf", "[Service]\nExecStart=/v/vllm serve b")])


@pytest.mark.parametrize(
    ("given", "command", "expected"),
    [
        ({"set": ["--max-num-seqs 4"]}, "--max-num-seqs=9 --x", "--x --max-num-seqs 4"),
        ({"set": ["--max-num-seqs=4"]}, "--max_num_seqs 9 --x 1", "--x 1 --max-num-seqs=4"),
        ({"set": [["--api-key", "a b"]]}, "--api-key c d --x", '--x --api-key "a b"'),
        ({"set": ["--enforce-eager"]}, "--no-enforce-eager", "--enforce-eager"),
        ({"remove": ["--enforce-eager"]}, "m --enforce-eager --port 80", "m --port 80"),
        ({"remove": ["--port"]}, "m --enforce-eager --port 80", "m --enforce-eager"),
        ({"remove": ["--port"]}, "m --port=80 --seed -1", "m --seed -1"),
        ({"set": ["--x.y.z=$HOME 100%"]}, "m", "m --x.y.z=$$HOME 100%%"),
    ],
)
def test_arguments(given, command, expected):
    assert made("/usr/bin/vllm serve " + command, read_change(given)) == "/usr/bin/vllm serve " + expected


def test_environment():
    change = read_change({"what": "env", "environment": {"A": "x y", "B": "1%"}, "unset": ["C", "D"]})
    unit = UnitText(UNIT, "[Service]\nExecStart=/usr/bin/vllm serve m\n")
    alone = build([unit], change, "/run/x", {}, {}.get)
    assert alone.text.splitlines()[4:] == ['Environment="A=x y"', "Environment=B=1%%", "UnsetEnvironment=C D"]
    assert alone.environment == ""
    # An EnvironmentFile= of the unit would win over Environment=: a file of ours that is read later wins over it.
    beside = build([unit], change, "/run/x", {"/etc/default/vllm": {"A": "theirs"}}, {}.get)
    assert "EnvironmentFile=/run/x/zz-streamdiag.env" in beside.text and "A=x y" not in beside.text
    assert parse_environment_file(beside.environment) == {"A": "x y"}


@pytest.mark.parametrize(
    ("mode", "flags", "options", "without"),
    [
        ("off", (ON, OFF), ((OFF,),), (ON,)),
        ("on", ("--compat=true", "--compat=false"), (("--compat=true",),), ("--compat=false",)),
        ("on", ("", "--plain"), (), ("--plain",)),
        ("off", ("", "--plain"), (("--plain",),), ()),
    ],
)
def test_any_pair_of_flags(mode, flags, options, without):
    change = compat_change(mode, *flags)
    assert (change.options, change.without) == (options, without)


def test_a_pair_with_values_replaces_the_value():
    change = compat_change("off", "--compat=true", "--compat=false")
    assert made("/usr/bin/vllm serve m --compat true --x", change) == "/usr/bin/vllm serve m --x --compat=false"


@pytest.mark.parametrize("flags", [("x", OFF), ("", ""), (ON, ON), ("--a b", OFF)])
def test_flags_that_are_none(flags):
    with pytest.raises(BadChange):
        compat_change("off", *flags)


@pytest.mark.parametrize(
    "given", [{"set": ["port=1"]}, {"set": ["'"]}, {"sets": []}, {"remove": ["x"]}, {"environment": {"a b": "1"}}]
)
def test_changes_that_are_none(given):
    with pytest.raises(BadChange):
        read_change(given)


@pytest.mark.parametrize(
    ("argv", "missing"),
    [
        (f"vllm serve m {OFF}", []),
        (f"vllm serve m {ON} {OFF}", []),
        (f"vllm serve m {OFF} {ON}", ["comes after"]),
        ("vllm serve m", ["is not among its arguments"]),
    ],
)
def test_what_a_process_shows(argv, missing):
    found = differences(off(), argv.split(), {})
    assert len(found) == len(missing) and all(words in text for words, text in zip(missing, found))


def test_what_a_process_shows_of_values_and_variables():
    change = read_change({"set": ["--port 80"], "remove": ["--eager"], "environment": {"A": "1"}, "unset": ["B"]})
    assert differences(change, ["vllm", "serve", "m", "--port", "80"], {"A": "1"}) == []
    found = differences(change, ["vllm", "serve", "m", "--port", "81", "--eager"], {"A": "2", "B": ""})
    assert found == [
        "--port is '81', not '80'",
        "--eager is still among its arguments",
        "A is not '1'",
        "B is still set",
    ]
    assert differences(change, ["vllm", "serve", "m", "--port", "80"], None) == []


def test_unit_text():
    text = "[Unit]\nExecStart=/no\n[Service]\n; c\nEnvironment=A=1 \\\n# c\n  B=2\nEnvironmentFile=-/a\nEnvironmentFile=\nExecStart=/x\n"
    found = in_force([UnitText("u", text), UnitText("d", "[Service]\n Environment = C=3\nEnvironmentFile=/b")])
    assert [one.value for one in found.commands] == ["/x"]
    assert [one.value.split() for one in found.environment] == [["A=1", "B=2"], ["C=3"]]
    assert [one.value for one in found.environment_files] == ["/b"]


def test_environment_files():
    text = '# c\n; c\n\nA=1\nB = "a \\"b\\" c"\nC=\'it\'\'s $x\'\nD=a\\\nb\nE="two\nlines"\nnothing\n'
    values = {"A": "1", "B": 'a "b" c', "C": "its $x", "D": "ab", "E": "two\nlines"}
    assert parse_environment_file(text) == values
    odd = {"X": "a\\b \"q\" $HOME `x` 'y'"}
    assert parse_environment_file(write_environment_file(odd)) == odd


def test_an_empty_change():
    assert Change("x").empty and not off().empty
