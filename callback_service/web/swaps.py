"""Pages for swapping shifts: offering one, taking one, and what a manager decides."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from callback_service import clock
from callback_service.domain import policy
from callback_service.domain.policy import Action
from callback_service.domain.rota import MAY_HOLD
from callback_service.domain.staff import Role
from callback_service.domain.swaps import SwapState
from callback_service.domain.wall_time import Span
from callback_service.errors import BadInput, NotFound, Refused
from callback_service.extensions import current_settings, reading, transaction
from callback_service.models.swap import Swap
from callback_service.services import shift_patterns, swap_lists, swap_offers
from callback_service.services import swaps as service
from callback_service.services.rest_checks import RestBroken
from callback_service.services.rota import Person
from callback_service.services.swap_lists import SwapLine
from callback_service.web.access import current_staff, requires
from callback_service.web.addresses import row_id
from callback_service.web.breakage import breakage_in_words
from callback_service.web.rota import DUTY_WORDS
from callback_service.web.swap_forms import ApproveForm, DeclineForm, OfferForm
from callback_service.web.weekly import blame, zone

bp = Blueprint("swaps", __name__, url_prefix="/rota/swaps")

STATE_WORDS = {
    SwapState.OFFERED: ("Offered", "blue"),
    SwapState.TAKEN: ("Waiting", "yellow"),
    SwapState.APPROVED: ("Agreed", "green"),
    SwapState.DECLINED: ("Declined", "red"),
    SwapState.WITHDRAWN: ("Taken back", "grey"),
    SwapState.UNDONE: ("Undone", "grey"),
    SwapState.LAPSED: ("Lapsed", "grey"),
}


@bp.get("")
@requires(Action.WORK_OWN_SHIFTS)
def swaps() -> ResponseReturnValue:
    """My swaps and what is offered; for managers also what waits for them, and the rest."""
    me, now = current_staff(), clock.utc_now()
    with reading() as session:
        lines = swap_lists.list_swaps(session, now=now, tz=zone())
    is_manager = policy.may(me.role, Action.EDIT_ROTA)
    return render_template(
        "rota/swaps.html",
        groups=_groups(lines, me.id, me.role),
        me=me.id,
        is_manager=is_manager,
        now=now,
        states=STATE_WORDS,
        duties=DUTY_WORDS,
        needs_approval=current_settings().swaps_need_approval,
    )


def _groups(
    lines: list[SwapLine], me: int, role: Role
) -> list[tuple[str, str, list[SwapLine], str]]:
    """(id, heading, lines, what to say when there are none), each line in one group."""
    left = list(lines)

    def those(test: Callable[[SwapLine], bool]) -> list[SwapLine]:
        found = [line for line in left if test(line)]
        left[:] = [line for line in left if line not in found]
        return found

    is_manager, groups = policy.may(role, Action.EDIT_ROTA), []
    if is_manager:
        waiting = those(lambda line: line.state is SwapState.TAKEN)
        moved = those(lambda line: line.state is SwapState.APPROVED and line.trouble is not None)
        groups.append(("waiting", "Waiting for a manager", waiting, "No swap waits for you."))
        if moved:
            groups.append(("moved", "The shift has moved", moved, ""))
    mine = those(lambda line: me in {line.offered_by_id, line.taken_by_id})
    to_me = those(lambda line: line.state is SwapState.OFFERED and line.to_id == me)
    to_all = those(
        lambda line: (
            line.state is SwapState.OFFERED
            and (is_manager or (line.to_id is None and role in MAY_HOLD[line.duty]))
        )
    )
    groups += [
        ("to-me", "Offered to you", to_me, "Nobody has offered you a shift."),
        ("to-all", "Offered to all" if not is_manager else "Offered to others", to_all,
         "No other shift is offered."),
        ("mine", "Your own", mine, "You have offered or taken no shift."),
    ]  # fmt: skip
    if is_manager:
        groups.append(("others", "Others", left, "There is no other swap."))
    return groups


@bp.get("/offer")
@requires(Action.WORK_OWN_SHIFTS)
def offer_form() -> ResponseReturnValue:
    """Ask whom a shift is offered to, and then which."""
    return _offer_page(OfferForm(formdata=None))


@bp.post("/offer")
@requires(Action.WORK_OWN_SHIFTS)
def offer() -> ResponseReturnValue:
    """Offer a shift."""
    form, now = OfferForm(), clock.utc_now()
    whose, to_id = _whose(), _to()
    with reading() as session:
        _load_choices(session, form, whose, to_id, now)
    if not form.validate_on_submit():
        return _offer_page(form), BadInput.status
    chosen, wanted = form.listed[form.shift.data], form.listed.get(form.wanted.data or "")
    returned: Span | None = (wanted.start, wanted.end) if wanted else None
    terms = swap_offers.Offer(whose, chosen.duty, (chosen.start, chosen.end), to_id, returned)
    try:
        with transaction() as session:
            swap_offers.offer_shift(session, terms, actor_id=current_staff().id, now=now, tz=zone())
    except (BadInput, Refused) as refusal:
        blame(form, refusal, otherwise="shift")
        return _offer_page(form), refusal.status
    flash("The shift is offered. It stays yours until the swap is agreed.", "success")
    return redirect(url_for("swaps.swaps"), code=303)


def _whose() -> int:
    """Whose shift is offered: one's own, or anybody's for a manager."""
    me = current_staff()
    return _person("whose") or me.id if policy.may(me.role, Action.EDIT_ROTA) else me.id


def _to() -> int | None:
    return _person("to")


def _person(name: str) -> int | None:
    """The person in the address, or in the form that was sent; None for nobody."""
    typed = request.values.get(name, "")
    try:
        return row_id(typed) or None if typed else None
    except ValueError as error:
        raise NotFound("There is no such person.") from error


def _load_choices(
    session: Session, form: OfferForm, whose: int, to_id: int | None, now: datetime
) -> None:
    own = swap_lists.shifts_to_offer(session, whose, now=now, tz=zone())
    theirs = swap_lists.shifts_to_offer(session, to_id, now=now, tz=zone()) if to_id else []
    form.offer_choices(own, theirs)


def _offer_page(form: OfferForm) -> str:
    now, whose, to_id = clock.utc_now(), _whose(), _to()
    with reading() as session:
        people = shift_patterns.people_for_rota(session)
        _load_choices(session, form, whose, to_id, now)
    names = {person.id: person.name for person in people}
    if to_id is not None and to_id not in names:
        raise NotFound("There is no such person.")
    return render_template(
        "rota/swap_offer.html",
        form=form,
        people=people,
        whose=whose,
        whose_name=names.get(whose, ""),
        to=to_id,
        to_name=names[to_id] if to_id else "everybody able",
        is_chosen="to" in request.values,
        me=current_staff().id,
        is_manager=policy.may(current_staff().role, Action.EDIT_ROTA),
        has_shifts=form.has_own,
    )


@bp.get("/<int:swap_id>/take")
@requires(Action.WORK_OWN_SHIFTS)
def take_form(swap_id: int) -> ResponseReturnValue:
    """Show what taking a shift would mean, and ask."""
    now = clock.utc_now()
    with reading() as session:
        line = _line(session, swap_id, now)
        _check_offered(line)
        taker_id = _taker(line)
        people = _takers(session, line)
        names = {person.id: person.name for person in people}
        if taker_id not in names:
            return render_template("rota/swap_taker.html", line=line, people=people)
        meaning = swap_lists.meaning_of(session, swap_id, taker_id, now=now, tz=zone())
    return render_template(
        "rota/swap_take.html",
        line=line,
        taker_id=taker_id,
        facts_of=_facts(line, names[taker_id]),
        meaning=meaning,
        needs_approval=current_settings().swaps_need_approval,
        is_me=taker_id == current_staff().id,
        **breakage_in_words(meaning.breakage),
    )


def _line(session: Session, swap_id: int, now: datetime) -> SwapLine:
    me = current_staff().id
    return swap_lists.swap_line(session, swap_id, reader_id=me, now=now, tz=zone())


def _check_offered(line: SwapLine) -> None:
    """Refuse who is not offered the shift, or comes too late. A manager may act for others."""
    me = current_staff()
    if line.state is not SwapState.OFFERED:
        raise Refused("This shift is no longer offered.")
    is_for_me = line.offered_by_id != me.id and line.to_id in {None, me.id}
    if not policy.may(me.role, Action.EDIT_ROTA) and not (
        is_for_me and me.role in MAY_HOLD[line.duty]
    ):
        raise Refused("This shift is not offered to you.")


def _taker(line: SwapLine) -> int | None:
    """Who would take it: whoever is signed in, or whom a manager names."""
    me = current_staff()
    return _person("who") or line.to_id if policy.may(me.role, Action.EDIT_ROTA) else me.id


def _takers(session: Session, line: SwapLine) -> list[Person]:
    people = shift_patterns.people_for_rota(session)
    return [one for one in people if one.id != line.offered_by_id]


def _facts(line: SwapLine, taker: str) -> list[tuple[str, str]]:
    facts = [
        ("Shift", line.shift),
        ("Duty", DUTY_WORDS[line.duty]),
        ("From", line.offered_by),
        ("To", taker),
    ]
    return [*facts, ("In return", line.wanted)] if line.wanted else facts


@bp.post("/<int:swap_id>/take")
@requires(Action.WORK_OWN_SHIFTS)
def take(swap_id: int) -> ResponseReturnValue:
    """Take a shift that is offered."""
    me = current_staff()

    def move(session: Session) -> Swap:
        taker_id = _person("who") if policy.may(me.role, Action.EDIT_ROTA) else me.id
        return service.take_swap(
            session, swap_id, staff_id=taker_id or me.id, actor_id=me.id,
            needs_approval=current_settings().swaps_need_approval, now=clock.utc_now(), tz=zone(),
        )  # fmt: skip

    return _moved(move)


@bp.get("/<int:swap_id>")
@requires(Action.EDIT_ROTA)
def decide_form(swap_id: int) -> ResponseReturnValue:
    """Show a manager what a swap would break, to approve or decline it."""
    return _decide_page(swap_id, ApproveForm(formdata=None), DeclineForm(formdata=None))


def _decide_page(swap_id: int, approval: ApproveForm, form: DeclineForm) -> str:
    now = clock.utc_now()
    with reading() as session:
        line = _line(session, swap_id, now)
        if line.state is not SwapState.TAKEN or line.taken_by_id is None:
            raise Refused("This swap does not wait for a manager.")
        meaning = swap_lists.meaning_of(session, swap_id, line.taken_by_id, now=now, tz=zone())
    return render_template(
        "rota/swap_decide.html",
        line=line,
        approval=approval,
        form=form,
        facts_of=_facts(line, line.taken_by or ""),
        meaning=meaning,
        **breakage_in_words(meaning.breakage),
    )


@bp.post("/<int:swap_id>/approve")
@requires(Action.EDIT_ROTA)
def approve(swap_id: int) -> ResponseReturnValue:
    """Approve a swap; one that breaks a rule of rest with a reason."""
    form, me, now = ApproveForm(), current_staff().id, clock.utc_now()
    other = DeclineForm(formdata=None)
    if not form.validate_on_submit():
        return _decide_page(swap_id, form, other), BadInput.status
    reason = (form.rest_reason.data or "").strip() or None
    try:
        return _moved(
            lambda session: service.approve(
                session, swap_id, rest_reason=reason, actor_id=me, now=now, tz=zone()
            )
        )
    except RestBroken:
        form.rest_reason.errors = ["Give a reason."]
        return _decide_page(swap_id, form, other), BadInput.status


@bp.post("/<int:swap_id>/decline")
@requires(Action.EDIT_ROTA)
def decline(swap_id: int) -> ResponseReturnValue:
    """Decline a swap, with a reason."""
    form, me = DeclineForm(), current_staff().id
    if not form.validate_on_submit():
        return _decide_page(swap_id, ApproveForm(formdata=None), form), BadInput.status
    with transaction() as session:
        service.decline(
            session, swap_id, reason=form.reason.data or "", actor_id=me, now=clock.utc_now()
        )
    return _back("The swap is declined. Both stay with their own shifts.")


@bp.post("/<int:swap_id>/withdraw")
@requires(Action.WORK_OWN_SHIFTS)
def withdraw(swap_id: int) -> ResponseReturnValue:
    """Take an offer back."""
    me, now = current_staff(), clock.utc_now()
    with transaction() as session:
        service.withdraw(session, swap_id, actor_id=me.id, now=now)
    return _back("The shift is no longer offered.")


@bp.post("/<int:swap_id>/give-up")
@requires(Action.WORK_OWN_SHIFTS)
def give_up(swap_id: int) -> ResponseReturnValue:
    """Give a shift back that was taken and is not agreed yet."""
    me, now = current_staff(), clock.utc_now()
    with transaction() as session:
        service.give_up(session, swap_id, actor_id=me.id, now=now)
    return _back("The shift is offered again.")


@bp.post("/<int:swap_id>/undo")
@requires(Action.EDIT_ROTA)
def undo(swap_id: int) -> ResponseReturnValue:
    """Bring both people back to their own shifts."""
    me, now = current_staff().id, clock.utc_now()
    try:
        with transaction() as session:
            service.undo(session, swap_id, actor_id=me, now=now, tz=zone())
    except Refused as refusal:
        flash(refusal.message, "error")
        return redirect(url_for("swaps.swaps"), code=303)
    return _back("The swap is undone. Both have their own shifts again.")


def _moved(move: Callable[[Session], Swap]) -> ResponseReturnValue:
    """Make a move that may turn out otherwise, and say what came of it."""
    try:
        with transaction() as session:
            row = move(session)
            state, reason = row.state, row.reason
    except RestBroken:
        raise
    except (BadInput, Refused) as refusal:
        flash(refusal.message, "error")
        return redirect(url_for("swaps.swaps"), code=303)
    if state is SwapState.LAPSED:
        flash(f"{reason} The swap has lapsed: nothing was changed.", "error")
        return redirect(url_for("swaps.swaps"), code=303)
    if state is SwapState.TAKEN:
        return _back("The shift is taken. It changes hands when a manager approves.")
    return _back("The swap is agreed, and the rota is changed.")


def _back(words: str) -> ResponseReturnValue:
    flash(words, "success")
    return redirect(url_for("swaps.swaps"), code=303)
