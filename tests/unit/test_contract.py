"""Promises that no single file can keep: parameters and their documentation, names, the arrows between the wings."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from pathlib import Path

import pytest
import yaml

from streamdiag.controller.settings import NAMES
from streamdiag.host.endpoints import get_all, metrics_after
from streamdiag.judge.facts import was_asked

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.parent for path in (ROOT / "roles").glob("*/tasks"))
MODULES = sorted((ROOT / "library").glob("*.py"))
CODE = ROOT / "module_utils" / "streamdiag"


def _options(role):
    specs = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    return {name: option for entry in specs.values() for name, option in entry.get("options", {}).items()}


def _defaults(role):
    return yaml.safe_load((role / "defaults" / "main.yml").read_text(encoding="utf-8")) or {}


def test_there_is_something_to_test():
    assert {role.name for role in ROLES} >= {"run", "target", "probe", "evidence", "report"}
    assert len(MODULES) >= 5


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_role_s_parameters_are_documented_and_have_defaults(role):
    options, defaults = _options(role), _defaults(role)
    required = {name for name, option in options.items() if option.get("required")}
    assert set(defaults) <= set(options), "defaults without documentation"
    assert set(options) - required <= set(defaults), "parameters without a default"
    assert all(option.get("description") and option.get("type") for option in options.values())


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_role_s_names_carry_its_name(role):
    assert all(name.startswith(role.name + "_") for name in _options(role))
    tasks = "\n".join(path.read_text(encoding="utf-8") for path in role.glob("tasks/*.yml"))
    for registered in re.findall(r"register: (\S+)", tasks):
        assert registered.startswith(role.name + "_"), registered


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_role_uses_no_parameter_that_it_does_not_have(role):
    tasks = "\n".join(path.read_text(encoding="utf-8") for path in role.glob("tasks/*.yml"))
    made = set(re.findall(r"register: (\w+)", tasks)) | set(re.findall(r"loop_var: (\w+)", tasks))
    made |= set(re.findall(rf"^\s+({role.name}_\w+):", tasks, re.MULTILINE))
    used = set(re.findall(rf"\b{role.name}_\w+", "\n".join(re.findall(r"{{.*?}}|when:.*", tasks, re.DOTALL))))
    unknown = {name for name in used if name not in made | set(_options(role))}
    assert not unknown


class _Asked(Exception):
    """What a module asked AnsibleModule for."""


def _argument_spec(path, monkeypatch):
    import ansible.module_utils.basic

    class Module:
        def __init__(self, argument_spec, **more):
            raise _Asked(argument_spec, more)

    monkeypatch.setattr(ansible.module_utils.basic, "AnsibleModule", Module)
    import streamdiag

    names = {"ansible.module_utils.streamdiag": streamdiag}
    for file in sorted(CODE.rglob("*.py")):
        parts = file.relative_to(CODE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        if name:
            names["ansible.module_utils.streamdiag." + name] = importlib.import_module("streamdiag." + name)
    for name, module in names.items():
        monkeypatch.setitem(sys.modules, name, module)
    spec = importlib.util.spec_from_file_location("module_under_test", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.raises(_Asked) as asked:
        module.main()
    return module, *asked.value.args


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_documents_exactly_what_it_takes(path, monkeypatch):
    module, taken, more = _argument_spec(path, monkeypatch)
    documentation = yaml.safe_load(module.DOCUMENTATION)
    assert documentation["module"] == path.stem
    documented = documentation["options"]
    assert set(documented) == set(taken)
    for name, option in taken.items():
        for key in ("type", "required", "choices", "elements"):
            fallback = {"type": "str", "required": False}.get(key)
            assert documented[name].get(key, fallback) == option.get(key, fallback), (name, key)
        assert documented[name].get("default") == option.get("default"), name
        secret = re.search(r"key|token|secret|password", name)
        assert not secret or option.get("no_log"), name
    assert more.get("supports_check_mode") is True
    assert yaml.safe_load(module.EXAMPLES) and yaml.safe_load(module.RETURN)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_s_example_uses_options_that_it_has(path):
    text = path.read_text(encoding="utf-8")
    parts = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    }
    options = yaml.safe_load(parts["DOCUMENTATION"])["options"]
    required = {name for name, option in options.items() if option.get("required")}
    for task in yaml.safe_load(parts["EXAMPLES"]):
        given = set(task[path.stem] or {})
        assert given <= set(options)
        assert required - {"roles_path"} <= given


#: The operator's variables of the design; those of later issues, too.
OPERATOR = {
    *("vllm_unit", "vllm_base_url", "vllm_public_url", "vllm_model", "vllm_api_key", "vllm_compat_flag_on"),
    *("vllm_compat_flag_off", "vllm_ping_interval", "reports_dir", "run_id", "diagnose_fail_on", "restart_compat"),
    *("audit_change", "audit_repeats", "audit_keep", "audit_set", "audit_remove", "audit_environment", "audit_unset"),
    *("compare_before", "compare_after", "compare_force", "reports_keep"),
    "report_language",
    *("assess_run", "assess_to", "pack_run", "pack_host", "pack_to"),
}


def test_the_operator_s_variables_are_known():
    assert OPERATOR <= NAMES


def test_the_operator_s_variables_reach_a_role():
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "roles").rglob("*.yml")]
    texts += [path.read_text(encoding="utf-8") for path in (ROOT / "playbooks").rglob("*.yml")]
    for name in OPERATOR - {"vllm_ping_interval"}:
        assert any(re.search(rf"\b{name}\b", text) for text in texts), name


# The arrows

WINGS = ("host", "judge", "compare", "report", "controller")
#: Wing -> those it may import; a ground floor file may import none of them.
MAY = {
    "host": set(),
    "judge": set(),
    "compare": {"judge"},
    "report": {"judge", "compare"},
    "controller": {"judge", "report"},
    "ground": set(),
}


def _imports(path):
    """The modules below streamdiag that ``path`` imports, as tuples of names."""
    here = ("streamdiag", *path.relative_to(CODE).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield tuple(alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else ()
            module = (*base, *(node.module.split(".") if node.module else ()))
            for alias in node.names:
                yield (*module, alias.name)


def _wing_of(path):
    parts = path.relative_to(CODE).parts
    return parts[0] if parts[0] in WINGS else "ground"


@pytest.mark.parametrize("path", sorted(CODE.rglob("*.py")), ids=lambda path: str(path.relative_to(CODE)))
def test_no_arrow_between_the_wings(path):
    wing = _wing_of(path)
    for names in _imports(path):
        names = names[names.index("streamdiag") :] if "streamdiag" in names else names
        if names[0] != "streamdiag" or len(names) < 2 or names[1] not in WINGS or names[1] == wing:
            continue
        assert names[1] in MAY[wing], f"{wing} imports {'.'.join(names)}"


def test_a_comparison_knows_of_the_judge_only_the_shape_of_a_result():
    files = sorted(CODE.glob("compare/*.py"))
    found = {names[:3] for path in files for names in _imports(path) if names[:2] == ("streamdiag", "judge")}
    assert found == {("streamdiag", "judge", "result")}


def test_the_host_wing_needs_only_python_and_httpx():
    allowed = set(sys.stdlib_module_names) | {"streamdiag", "httpx", "httpcore", "ansible"}
    for path in [*CODE.glob("host/**/*.py"), *CODE.glob("*.py")]:
        for names in _imports(path):
            assert names[0] in allowed, f"{path.name} imports {names[0]}"


def test_the_arrows_are_really_looked_at():
    found = {names for path in CODE.glob("judge/*.py") for names in _imports(path)}
    assert ("streamdiag", "store", "Bundle") in found
    assert ("streamdiag", "judge", "facts", "Facts") in found


def test_the_judge_knows_what_the_host_wing_did_not_ask():
    """It is told by the beginning of the reason, which evidence of earlier versions has, too."""
    found = get_all("http://127.0.0.1:9")
    assert [was_asked(answer) for answer in found.values()] == [True, *[False] * (len(found) - 1)]
    assert len(found) > 1 and not was_asked(metrics_after(found, "http://127.0.0.1:9", ""))
