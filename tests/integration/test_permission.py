"""Services refuse whoever the table does not grant it, whatever a view let through."""

from __future__ import annotations

import inspect

import pytest
from sqlalchemy.orm import Session

from callback_service.domain import policy
from callback_service.domain.policy import Action
from callback_service.domain.staff import Role
from callback_service.errors import Forbidden
from callback_service.services import permission
from tests.support.builders import make_staff
from tests.support.guards import WHO, called_by_views, guarded
from tests.support.request_builders import member

#: Who is told what they may see of themselves, or ends what is their own: open to every role; and
#: those that only look things up about somebody, for a page that is guarded by its action.
NOT_GUARDED = {
    "absence_preview.what_moves", "account_events.news", "account_events.recent",
    "accounts.choose_texts", "accounts.staff_by_id", "accounts.staff_name", "accounts.texts_of",
    "api_tokens.end_token", "api_tokens.live_tokens", "api_tokens.make_token",
    "availability.conflicts_of_open_shift", "availability.list_stated",
    "held_forms.drop", "held_forms.held_of", "held_forms.hold", "held_forms.take",
    "leave_requests.list_own",
    "passkeys.passkeys_of", "passkeys.remove", "presence.duty_ends",
    "rota_history.list_revisions", "rota_meanwhile.refuse_if_changed",
    "refusals.is_worth_noting", "refusals.note", "second_step_resets.call_off",
    "second_step_resets.waiting_for",
    "second_step.has_app", "second_step.recovery_codes_left", "second_step.renew_recovery_codes",
    "shift_patterns.list_patterns", "sign_in.end_others", "sign_in.still_open",
    "staff_skills.skills_of", "swap_lists.count_for", "swap_lists.shifts_to_offer",
    "tries.know_device", "feeds.make_link", "feeds.end_link", "feeds.live_links",
}  # fmt: skip

GUARDED = sorted(guarded(), key=lambda one: f"{one[0].__module__}.{one[0].__name__}")


def name_of(use_case: object) -> str:
    room, name = use_case.__module__.rpartition(".")[2], use_case.__name__  # type: ignore[attr-defined]
    return f"{room}.{name}"


def test_every_use_case_of_a_view_that_is_told_who_does_it_is_guarded_or_known_not_to_be() -> None:
    names = {name_of(use_case) for use_case, _ in GUARDED}
    assert called_by_views() - names - NOT_GUARDED == set()


def test_what_is_known_not_to_be_guarded_is_not() -> None:
    assert {name_of(use_case) for use_case, _ in GUARDED}.isdisjoint(NOT_GUARDED)


@pytest.mark.parametrize(
    ("use_case", "action"), GUARDED, ids=[name_of(use_case) for use_case, _ in GUARDED]
)
@pytest.mark.one_database
def test_a_use_case_refuses_each_role_that_the_table_does_not_grant_it(
    session: Session, use_case: object, action: Action
) -> None:
    assert callable(use_case)
    denied = [role for role in Role if not policy.may(role, action)]
    assert denied, "everybody may: it needs no guard"
    for role in denied:
        person = make_staff(session, role=role)
        for given in _arguments(use_case, member(person), person.id):
            with pytest.raises(Forbidden, match="Your account may not do this"):
                use_case(session, **given)


def _arguments(use_case: object, member_: object, staff_id: int) -> list[dict[str, object]]:
    """Nothing but who does it: the guard is asked before anything else is looked at."""
    parameters = [*inspect.signature(use_case).parameters][1:]  # type: ignore[arg-type]
    nothing: dict[str, object] = dict.fromkeys(parameters)
    who = next(name for name in WHO if name in parameters)
    return [{**nothing, who: member_ if who == "staff" else staff_id}]


class TestWhoeverActs:
    def test_may_do_nothing_once_disabled(self, session: Session) -> None:
        manager = make_staff(session, role=Role.MANAGER)
        assert permission.may(session, Action.EDIT_ROTA, manager.id)
        manager.is_active = False
        session.flush()
        assert not permission.may(session, Action.EDIT_ROTA, manager.id)

    def test_may_do_by_their_role_of_now_and_not_of_then(self, session: Session) -> None:
        person = make_staff(session, role=Role.MANAGER)
        person.role = Role.COUNSELLOR
        session.flush()
        with pytest.raises(Forbidden):
            permission.check(session, Action.EDIT_ROTA, person.id)

    def test_is_nobody_where_the_account_is_not_there(self, session: Session) -> None:
        assert not permission.may(session, Action.SEE_OWN_ACCOUNT, 10**6)

    def test_may_be_the_service_itself(self, session: Session) -> None:
        permission.check(session, Action.EDIT_ROTA, None)
