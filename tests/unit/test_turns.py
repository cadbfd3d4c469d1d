"""The turns of a rotation in a form: what buttons do, and what is refused."""

from __future__ import annotations

import pytest
from werkzeug.datastructures import MultiDict
from wtforms import Form

from callback_service.domain.rotations import Turn
from callback_service.web.turns import MOST_TURNS, TurnsField, TypedTurn

PEOPLE = {"1": "Ann", "2": "Ben"}


class Turns(Form):
    """A form with turns and nothing else."""

    turns = TurnsField("Turns")


def sent(*given: tuple[list[str], str]) -> TurnsField:
    """The field of a form that was sent with these turns."""
    fields: MultiDict[str, str] = MultiDict()
    for number, (who, length) in enumerate(given):
        fields.setlist(f"turn-{number}-who", who)
        fields[f"turn-{number}-length"] = length
    field = Turns(fields or MultiDict({"start": "09:00"})).turns
    assert isinstance(field, TurnsField)
    return field


@pytest.mark.parametrize(
    ("step", "order"),
    [
        ("down-0", ["2", "1", "3"]),
        ("up-2", ["1", "3", "2"]),
        ("up-0", ["1", "2", "3"]),
        ("down-2", ["1", "2", "3"]),
        ("remove-1", ["1", "3"]),
        ("add", ["1", "2", "3", "3"]),
        ("remove-9", ["1", "2", "3"]),
        ("down-x", ["1", "2", "3"]),
        ("up-٢", ["1", "3", "2"]),
        ("person--1", ["1", "2", "3"]),
        ("nonsense", ["1", "2", "3"]),
    ],
)
def test_buttons_arrange_the_turns(step: str, order: list[str]) -> None:
    field = sent((["1"], "1"), ([""], "2"), (["2"], "3"))
    field.rearrange(step)
    assert [turn.length for turn in field.data] == order


def test_a_turn_gets_a_place_for_one_more_person() -> None:
    field = sent((["1"], "1"), (["2"], "1"))
    field.rearrange("person-1")
    assert [turn.who for turn in field.data] == [["1"], ["2", ""]]


def test_a_form_that_was_not_sent_starts_with_two_turns() -> None:
    assert Turns().turns.data == [TypedTurn(), TypedTurn()]


def test_no_more_turns_are_taken_than_fit() -> None:
    field = sent(*[(["1"], "1")] * (MOST_TURNS + 8))
    assert len(field.data) == MOST_TURNS
    field.rearrange("add")
    assert len(field.data) == MOST_TURNS


def test_a_length_in_weeks_is_counted_in_days() -> None:
    field = sent((["1", "2", "", "1"], " 2 "), ([""], "1"))
    turns = Turn(frozenset({1, 2}), 14), Turn(frozenset(), 7)
    assert field.turns("weeks", PEOPLE) == turns
    assert [turn.length for turn in field.turns("shifts", PEOPLE)] == [2, 1]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ([([""], "1")], "Choose somebody for one turn at least."),
        ([], "Choose somebody for one turn at least."),
        ([(["1"], "soon")], "Turn 1: Enter a length from 1 to 52 weeks."),
        ([(["1"], "0")], "Turn 1: Enter a length from 1 to 52 weeks."),
        ([(["1"], "53")], "Turn 1: Enter a length from 1 to 52 weeks."),
        ([(["1"], "٣")], "Turn 1: Enter a length from 1 to 52 weeks."),
        ([(["1"], "")], "Turn 1: Enter a length from 1 to 52 weeks."),
        ([(["1"], "1"), (["4242"], "1")], "Turn 2: Choose somebody who has an active account."),
        ([(["x"], "1")], "Turn 1: Choose somebody who has an active account."),
    ],
)
def test_what_cannot_be_meant_is_named(given: list[tuple[list[str], str]], error: str) -> None:
    field = sent(*given)
    assert field.turns("weeks", PEOPLE) == ()
    assert field.errors == [error]
