"""What the documents claim is shown by tests that exist, and their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.papers import missing_tests

ROOT = Path(__file__).parents[2]
PAPERS = sorted([*ROOT.glob("docs/**/*.md"), ROOT / "README.md"])
A_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: str(paper.relative_to(ROOT)))
def test_every_test_a_document_names_is_there(paper: Path) -> None:
    assert missing_tests(paper.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: str(paper.relative_to(ROOT)))
def test_every_link_of_a_document_leads_to_a_file(paper: Path) -> None:
    links = A_LINK.findall(paper.read_text(encoding="utf-8"))
    assert [link for link in links if not (paper.parent / link).exists()] == []


def test_every_test_that_the_table_of_attacks_names_is_there() -> None:
    named = re.findall(r"`([a-z]+/test_\w+)`", (ROOT / "docs/attacks.md").read_text("utf-8"))
    assert len(named) > 15
    assert [name for name in named if not (ROOT / f"tests/{name}.py").is_file()] == []


def test_every_row_of_the_asvs_table_says_what_shows_it_or_that_nothing_does() -> None:
    rows = re.findall(r"^\|(?! id |---)(.*)\|$", (ROOT / "docs/asvs.md").read_text("utf-8"), re.M)
    assert len(rows) > 100
    assert [row for row in rows if len(row.split(" | ")) != 4] == []


def test_a_test_that_is_not_there_is_found() -> None:
    here = "`tests/unit/test_papers.py::test_a_test_that_is_not_there_is_found`"
    gone = "`tests/unit/test_papers.py::test_of_last_year` and `tests/unit/test_gone.py`"
    assert missing_tests(here) == []
    assert len(missing_tests(gone)) == 2
