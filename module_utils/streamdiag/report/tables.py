"""What the style of a page has to know of its tables: which columns hold prose, which rows are bad.

A column of short values keeps them on one line; one of long texts wraps, and is given room. A table of a few columns
with prose among them cannot be read sideways on a phone: there each row becomes a block, its values under their names.
"""

from __future__ import annotations

from typing import Iterator, List, NamedTuple, Sequence

from markdown_it.token import Token

from .markdown import NOTHING

#: From how many characters on a value is prose.
LONG = 28
#: How many columns a table with prose has that is shown row by row on a phone: two fit, and many are mostly numbers.
ROW_BY_ROW = (3, 4, 5)
#: Signs of a row's status, as the template writes them in its first cell, that give the row a colour.
COLOURS = {"❌": "fail", "💥": "fail", "⚠": "warn"}


class _Cell(NamedTuple):
    opening: Token
    text: str


class _Table(NamedTuple):
    opening: Token
    rows: List[Token]
    cells: List[List[_Cell]]  # per row, the head first


def shape_tables(tokens: List[Token]) -> None:
    """Give the tables in ``tokens``, their rows and cells the classes and names that ``page.css`` looks for."""
    for table in _tables(tokens):
        _colour_rows(table)
        _widen_columns(table)


def text_of(inline: Token) -> str:
    """What a reader sees of ``inline``."""
    return "".join(child.content for child in inline.children or [] if child.type != "html_inline")


def _tables(tokens: List[Token]) -> Iterator[_Table]:
    table = None
    for number, token in enumerate(tokens):
        if token.type == "table_open":
            table = _Table(token, [], [])
        elif table and token.type == "tr_open":
            table.rows.append(token)
            table.cells.append([])
        elif table and token.type in ("th_open", "td_open"):
            table.cells[-1].append(_Cell(token, text_of(tokens[number + 1])))
        elif table and token.type == "table_close":
            yield table
            table = None


def _colour_rows(table: _Table) -> None:
    for row, cells in zip(table.rows, table.cells):
        for sign, colour in COLOURS.items():
            if cells and cells[0].text.startswith(sign):
                row.attrSet("class", colour)


def _widen_columns(table: _Table) -> None:
    columns = list(zip(*table.cells))  # every row has as many cells as the head: markdown-it fills and cuts
    prose = [column for column in columns if max(len(cell.text) for cell in column) > LONG]
    for column in prose:
        for cell in column:
            cell.opening.attrSet("class", "long")
    if prose and len(columns) in ROW_BY_ROW:
        table.opening.attrSet("class", "prose")
        _name_values(columns)


def _name_values(columns: Sequence[Sequence[_Cell]]) -> None:
    for column in columns:
        for cell in column[1:]:
            if column[0].text:
                cell.opening.attrSet("data-name", column[0].text)
            if cell.text == NOTHING:
                cell.opening.attrJoin("class", "nothing")
