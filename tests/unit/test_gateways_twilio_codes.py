"""Twilio's codes and states: what passes, what does not, and which receipt counts."""

import itertools

import pytest

from callback_service.gateways.twilio_codes import (
    DELIVERY_RANK,
    ERROR_MEANINGS,
    Fault,
    desk_sentence,
    is_forward,
    is_permanent_refusal,
)


@pytest.mark.parametrize(
    "code",
    [21211, 21214, 21217, 21610, 21612, 21614, 21617, 21635, 30005, 30006, 30007, 30036, 30450],
)
def test_a_text_that_can_never_arrive_is_not_tried_again(code: int) -> None:
    assert is_permanent_refusal(400, code)


@pytest.mark.parametrize(
    "code", [20003, 20404, 21408, 21606, 21608, 21609, 21659, 21703, 30002, 30024, 30034]
)
def test_a_fault_of_the_set_up_never_loses_a_text(code: int) -> None:
    assert ERROR_MEANINGS[code].fault is Fault.SET_UP
    assert not is_permanent_refusal(400, code)


@pytest.mark.parametrize(
    "code", [14107, 20429, 21611, 21730, 30001, 30003, 30008, 30017, 30410, 63038]
)
def test_a_passing_fault_is_tried_again(code: int) -> None:
    assert not is_permanent_refusal(400, code)


@pytest.mark.parametrize(
    ("status", "code", "is_permanent"),
    [
        (400, None, True),
        (400, 99999, True),
        (404, 99999, True),
        (404, None, False),  # whatever answered is not Twilio
        (401, None, False),
        (401, 99999, False),
        (403, 99999, False),
        (408, None, False),
        (422, None, True),
        (429, None, False),
    ],
)
def test_an_unknown_code_is_judged_by_its_status(
    status: int, code: int | None, is_permanent: bool
) -> None:
    assert is_permanent_refusal(status, code) is is_permanent


@pytest.mark.parametrize("code", sorted(ERROR_MEANINGS))
def test_every_code_tells_the_desk_one_plain_sentence(code: int) -> None:
    sentence = desk_sentence(code)
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert len(sentence) <= 80
    assert str(code) not in sentence


def test_an_unknown_code_still_tells_the_desk_to_ring() -> None:
    assert desk_sentence(None) == desk_sentence(99999) == "The text did not arrive. Ring anyway."


def test_receipts_in_their_order_all_count() -> None:
    way = ["accepted", "scheduled", "queued", "sending", "sent", "delivered", "read"]
    assert is_forward(None, "accepted")
    assert all(is_forward(old, new) for old, new in itertools.pairwise(way))


@pytest.mark.parametrize("old", DELIVERY_RANK)
@pytest.mark.parametrize("new", DELIVERY_RANK)
def test_no_two_receipts_can_overtake_each_other_in_both_orders(old: str, new: str) -> None:
    assert not (is_forward(old, new) and is_forward(new, old))


@pytest.mark.parametrize("end", ["delivered", "undelivered", "failed", "canceled"])
def test_the_first_end_stands(end: str) -> None:
    later = ["sent", "sending", "queued", "delivered", "undelivered", "failed", "canceled"]
    assert not any(is_forward(end, new) for new in later)


def test_a_state_that_is_not_known_changes_nothing() -> None:
    assert not is_forward("sent", "vanished")
    assert not is_forward(None, "")


def test_a_text_kept_on_this_machine_can_still_be_sent_later() -> None:
    assert is_forward("kept", "queued")
