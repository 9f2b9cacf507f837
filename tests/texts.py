"""The texts of reports and their translations: ``python -m tests.texts`` is what ``make texts`` runs.

Babel finds the templates of sentences in the code (``say("…")``, ``template("…")``, ``gettext("…")``) and the fixed
texts of the templates of reports (``_("…")``). ``messages.pot`` lists them; each ``<language>.po`` is made to have
exactly these: a new one is there without translation, marked, and one that nothing says any more is gone. Translations
may also lie in parts beside it, ``ru.<part>.po``, which are merged and deleted.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from pathlib import Path
from typing import BinaryIO, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Tuple

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import generate_po, read_po

ROOT = Path(__file__).resolve().parents[1]
CODE = ROOT / "module_utils" / "streamdiag"
ROLE = ROOT / "roles" / "report"
TEXTS = ROLE / "texts"
POT = TEXTS / "messages.pot"
#: What marks a text in the code, and in a template.
IN_CODE = ("say", "template", "gettext")
IN_TEMPLATES = ("_",)
#: Stands above a message that has no translation yet.
MISSING = "to be translated"


class Merged(NamedTuple):
    """A language's messages, and what a translator or an integrator has to look at."""

    catalogue: Catalog
    missing: List[str]  # messages without a translation
    gone: List[str]  # translations of what nothing says any more
    twice: List[str]  # messages that two files translate differently; parts are newer


def messages() -> Dict[str, List[str]]:
    """Every message with the files that say it, by file and then by text. Raises what a broken file raises."""
    found: Dict[str, List[str]] = defaultdict(list)
    for file, text in sorted(set(_found())):
        found[text].append(file)
    return found


def _found() -> Iterator[Tuple[str, str]]:
    """File and text, for each place that says one."""
    code = [(path, of_python, IN_CODE) for path in CODE.glob("**/*.py")]
    templates = [(path, "jinja2.ext:babel_extract", IN_TEMPLATES) for path in (ROLE / "templates").glob("*.j2")]
    for path, method, marks in (*code, *templates):
        options = {"silent": "false", "encoding": "utf-8"}
        for _line, text, *_rest in extract_from_file(method, path, keywords=dict.fromkeys(marks), options=options):
            yield str(path.relative_to(ROOT)), text


def of_python(
    file: BinaryIO, marks: Iterable[str], _tags: object, options: object
) -> Iterator[Tuple[int, str, str, List[str]]]:
    """Babel's interface of a method. Its own for Python does not see a text that stands within the call of another."""
    for call in calls(ast.parse(file.read()), marks):
        if isinstance(call.args[0], ast.Constant):
            yield call.lineno, "", str(call.args[0].value), []


def calls(tree: ast.AST, marks: Iterable[str]) -> Iterator[ast.Call]:
    """The calls of functions and methods of these names that have an argument."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in marks:
                yield node


def pot() -> str:
    """``messages.pot``."""
    return _as_po(_catalogue(messages(), {}))


def merge(language: str) -> Merged:
    """What ``<language>.po`` and the parts beside it have of the messages that there are."""
    wanted, known = messages(), {}
    twice: Dict[str, None] = {}
    for path in [*parts(language), TEXTS / f"{language}.po"]:  # a part is newer
        for text, translation in _translations(path, language).items() if path.exists() else ():
            if known.setdefault(text, translation) != translation:
                twice[text] = None
    return Merged(
        _catalogue(wanted, known, language),
        [text for text in wanted if text not in known],
        [text for text in known if text not in wanted],
        [text for text in twice if text in wanted],
    )


def languages() -> List[str]:
    """Of which there are texts, but English, which needs none."""
    return sorted({path.name.split(".")[0] for path in TEXTS.glob("*.po")})


def parts(language: str) -> List[Path]:
    """Translations that are not merged yet."""
    return sorted(TEXTS.glob(f"{language}.*.po"))


def read(path: Path, language: str) -> Catalog:
    """The messages of a file. Raises PoFileError for one that is damaged."""
    with open(path, "rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def _translations(path: Path, language: str) -> Dict[str, str]:
    return {str(one.id): str(one.string) for one in read(path, language) if one.id and one.string}


def _catalogue(wanted: Mapping[str, List[str]], known: Mapping[str, str], language: str = "") -> Catalog:
    made = Catalog(locale=language or None)
    for text, files in wanted.items():
        marks = [MISSING] if language and text not in known else []
        made.add(text, known.get(text, ""), locations=[(file, None) for file in files], auto_comments=marks)
        # Babel takes "95 % interval" for a format of printf, and our texts are of str.format.
        made[text].flags.clear()
    return made


def _as_po(catalogue: Catalog) -> str:
    """Without dates, line numbers and folded lines, so that a change of one text is a change of its lines alone."""
    language = f'"Language: {catalogue.locale}\\n"\n' if catalogue.locale else ""
    header = f'msgid ""\nmsgstr ""\n{language}"Content-Type: text/plain; charset=UTF-8\\n"\n'
    body = "".join(generate_po(catalogue, width=0, omit_header=True, include_lineno=False))
    return f'{header}"Content-Transfer-Encoding: 8bit\\n"\n\n{body}'.rstrip("\n") + "\n"


def main() -> int:
    POT.write_text(pot(), encoding="utf-8")
    print(f"{POT.relative_to(ROOT)}: {len(messages())} texts")
    for language in languages():
        done, path = merge(language), TEXTS / f"{language}.po"
        path.write_text(_as_po(done.catalogue), encoding="utf-8")
        for part in parts(language):
            part.unlink()
        print(f"{path.relative_to(ROOT)}: {len(done.catalogue) - len(done.missing)} translated")
        for title, texts in (
            ("to be translated", done.missing),
            ("removed, nothing says it", done.gone),
            ("translated twice, the part is taken", done.twice),
        ):
            for text in texts:
                print(f"  {title}: {text!r}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
