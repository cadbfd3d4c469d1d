"""The table of who may do what: denied unless granted, and printed as it is."""

from __future__ import annotations

import pytest

from callback_service.domain import policy
from callback_service.domain.looks import is_within_budget, mask
from callback_service.domain.policy import FIELDS, RULES, Action, Condition, Field, Sight
from callback_service.domain.policy_text import ROLES, as_markdown
from callback_service.domain.staff import Role
from tests.support.settings import ROOT

TOLD_US = (Field.NUMBER, Field.NAME, Field.SAFE_CONTACT, Field.NOTES, Field.TEXTS_IN)
OF_CALLERS = {
    Action.SEE_QUEUE, Action.TAKE_REQUEST, Action.DECLINE_OFFER, Action.OPEN_CALL,
    Action.SHOW_NUMBER, Action.RING, Action.RECORD_OUTCOME, Action.GIVE_BACK, Action.MARK_URGENT,
    Action.SEE_HISTORY, Action.SEE_RECORD, Action.LOOK_BEHIND_MASK, Action.SEE_FLAGGED,
    Action.LIST_REQUESTS, Action.SEE_TEXTS, Action.CONTROL_TEXTS, Action.SEE_LOOKS,
    Action.ALLOW_LOOKS,
}  # fmt: skip


def test_every_action_and_field_has_its_line() -> None:
    assert set(RULES) == set(Action)
    assert set(FIELDS) == set(Field)
    assert set(ROLES) == set(Role)


def test_the_printed_table_is_up_to_date() -> None:
    """If this fails: ``flask --app wsgi policy > docs/roles.md``, and look at what changed."""
    assert (ROOT / "docs/roles.md").read_text(encoding="utf-8") == as_markdown()


def test_an_administrator_may_do_nothing_with_callers_and_sees_nothing_of_them() -> None:
    assert not any(policy.may(Role.ADMINISTRATOR, action) for action in OF_CALLERS)
    for field in Field:
        assert policy.sight(Role.ADMINISTRATOR, field, set(Condition)) is Sight.HIDDEN


def test_only_administrators_work_on_accounts() -> None:
    for action in (Action.SEE_ACCOUNTS, Action.MANAGE_ACCOUNTS, Action.EDIT_SKILLS):
        assert policy.roles_of(action) == {Role.ADMINISTRATOR}


@pytest.mark.parametrize("field", TOLD_US)
def test_what_a_caller_told_us_is_whole_for_who_holds_their_open_request_alone(
    field: Field,
) -> None:
    but_holding = set(Condition) - {Condition.HOLDS}
    assert policy.sight(Role.COUNSELLOR, field, {Condition.HOLDS}) is Sight.WHOLE
    assert policy.sight(Role.COUNSELLOR, field, but_holding) is Sight.HIDDEN


@pytest.mark.parametrize("field", TOLD_US)
def test_a_manager_sees_it_masked_until_they_give_a_reason(field: Field) -> None:
    without = {Condition.IN_HAND, Condition.FLAGGED, Condition.STEP_UP, Condition.ON_SHIFT}
    assert policy.sight(Role.MANAGER, field, without) is Sight.MASKED
    assert policy.sight(Role.MANAGER, field, {Condition.REASON}) is Sight.WHOLE


@pytest.mark.parametrize("field", TOLD_US)
def test_a_safeguarding_lead_sees_it_of_urgent_requests_alone(field: Field) -> None:
    lead = Role.SAFEGUARDING_LEAD
    assert policy.sight(lead, field, set(Condition) - {Condition.FLAGGED}) is Sight.HIDDEN
    assert policy.sight(lead, field, {Condition.FLAGGED}) is Sight.MASKED
    assert policy.sight(lead, field, {Condition.FLAGGED, Condition.REASON}) is Sight.WHOLE


def test_a_condition_that_does_not_hold_denies() -> None:
    assert not policy.permits(Role.COUNSELLOR, Action.TAKE_REQUEST, set())
    assert policy.permits(Role.COUNSELLOR, Action.TAKE_REQUEST, {Condition.ON_SHIFT})
    assert policy.permits(Role.MANAGER, Action.TAKE_REQUEST, set())
    assert not policy.permits(Role.ADMINISTRATOR, Action.TAKE_REQUEST, set(Condition))


def test_nobody_sees_more_by_meeting_fewer_conditions() -> None:
    order = list(Sight)
    for role in Role:
        for field in Field:
            for left_out in Condition:
                fewer = policy.sight(role, field, set(Condition) - {left_out})
                every = policy.sight(role, field, set(Condition))
                assert order.index(fewer) <= order.index(every), (role, field, left_out)


@pytest.mark.parametrize(
    ("taken", "allowances", "is_within"),
    [(0, 0, True), (19, 0, True), (20, 0, False), (20, 1, True), (24, 1, True), (25, 1, False)],
)
def test_the_budget_of_looks(taken: int, allowances: int, is_within: bool) -> None:
    assert is_within_budget(taken, a_day=20, allowances=allowances) is is_within


def test_a_mask_leaves_three_digits() -> None:
    assert mask("+447700900123") == "•••• 123"
    assert mask(None) == ""
