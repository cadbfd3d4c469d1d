"""Who may do what, and who sees which of a caller's data: the one table that everything asks.

Whatever the table does not grant is denied. The gate and the pages ask it by role, the services by
role and by the conditions that hold. ``docs/roles.md`` is printed from it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from callback_service.domain.staff import Role

COUNSELLOR, MANAGER = Role.COUNSELLOR, Role.MANAGER
SAFEGUARDING, ADMINISTRATOR = Role.SAFEGUARDING_LEAD, Role.ADMINISTRATOR


class Condition(StrEnum):
    """What must hold beside the role. The value is how the printed table says it."""

    HOLDS = "own call"  # they hold the request, and it is open
    IN_HAND = "in hand"  # somebody holds it
    ON_SHIFT = "on shift"
    OFFERED = "on offer to them"
    OWN = "own"  # their own account, time or shift
    FLAGGED = "urgent"  # it was marked urgent
    REASON = "with a reason"  # given within the last minutes, and within the day's budget
    COLLEAGUE = "for a colleague"
    STEP_UP = "second step"  # given just now


class Action(StrEnum):
    """Something that can be done here. Each route of staff is one of these."""

    SEE_OWN_ACCOUNT = "see_own_account"
    SECURE_OWN_ACCOUNT = "secure_own_account"
    SEE_OWN_TEXTS = "see_own_texts"
    CHOOSE_OWN_TEXTS = "choose_own_texts"
    SEE_QUEUE = "see_queue"
    TAKE_REQUEST = "take_request"
    DECLINE_OFFER = "decline_offer"
    OPEN_CALL = "open_call"
    SHOW_NUMBER = "show_number"
    RING = "ring"
    RECORD_OUTCOME = "record_outcome"
    GIVE_BACK = "give_back"
    MARK_URGENT = "mark_urgent"
    BE_AWAY = "be_away"
    SIGN_OFF_COLLEAGUE = "sign_off_colleague"
    BAR_COLLEAGUE = "bar_colleague"
    SEE_HISTORY = "see_history"
    SEE_RECORD = "see_record"
    LOOK_BEHIND_MASK = "look_behind_mask"
    SEE_LOOKS = "see_looks"
    SEE_DECOYS = "see_decoys"
    ALLOW_LOOKS = "allow_looks"
    SEE_FLAGGED = "see_flagged"
    LIST_REQUESTS = "list_requests"
    SEE_TEXTS = "see_texts"
    CONTROL_TEXTS = "control_texts"
    SEE_FINDINGS = "see_findings"
    SEE_COVER = "see_cover"
    EDIT_COVER = "edit_cover"
    SEE_ROTA = "see_rota"
    WORK_OWN_SHIFTS = "work_own_shifts"
    MAKE_CALENDAR_LINK = "make_calendar_link"
    READ_WHOLE_ROTA_CALENDAR = "read_whole_rota_calendar"
    EDIT_ROTA = "edit_rota"
    SEE_PEOPLE = "see_people"
    EDIT_PEOPLE = "edit_people"
    SEE_ACCOUNTS = "see_accounts"
    MANAGE_ACCOUNTS = "manage_accounts"
    EDIT_SKILLS = "edit_skills"
    SEE_RESETS = "see_resets"
    ASK_FOR_RESET = "ask_for_reset"
    CONFIRM_RESET = "confirm_reset"
    CALL_OFF_RESET = "call_off_reset"
    SEE_AUDIT = "see_audit"
    SEE_DATA_REQUESTS = "see_data_requests"
    HANDLE_DATA_REQUESTS = "handle_data_requests"
    HANDLE_COMPLAINTS = "handle_complaints"
    HOLD_REQUEST = "hold_request"
    LET_POSTS_IN = "let_posts_in"
    DISCARD_POSTS = "discard_posts"


Conditions = frozenset[Condition]
ALWAYS: Final[Conditions] = frozenset()


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table of actions: who may, and what must hold for each of them."""

    words: str
    may: Mapping[Role, Conditions]


def _on(*conditions: Condition) -> Conditions:
    return frozenset(conditions)


_HOLDS, _IN_HAND, _OWN = _on(Condition.HOLDS), _on(Condition.IN_HAND), _on(Condition.OWN)
_STEP_UP = _on(Condition.OWN, Condition.STEP_UP)
_EVERYBODY: Final = dict.fromkeys(Role, _OWN)
_AT_WORK: Final = {COUNSELLOR: _OWN, MANAGER: _OWN}
_MANAGER: Final = {MANAGER: ALWAYS}

RULES: Final[Mapping[Action, Rule]] = MappingProxyType({
    Action.SEE_OWN_ACCOUNT: Rule("See their account, stay signed in, end a token", _EVERYBODY),
    Action.SECURE_OWN_ACCOUNT: Rule("Change password, second step and tokens, end sign-ins",
        dict.fromkeys(Role, _STEP_UP)),
    Action.SEE_OWN_TEXTS: Rule("See which texts they get and which phone rings", _EVERYBODY),
    Action.CHOOSE_OWN_TEXTS: Rule("Choose the texts they get and the phone that rings",
        dict.fromkeys(Role, _STEP_UP)),

    Action.SEE_QUEUE: Rule("See what waits and who holds it, without name or number",
        {COUNSELLOR: ALWAYS, MANAGER: ALWAYS}),
    Action.TAKE_REQUEST: Rule("Take a waiting request",
        {COUNSELLOR: _on(Condition.ON_SHIFT), MANAGER: ALWAYS}),
    Action.DECLINE_OFFER: Rule("Decline an offer, with a reason",
        dict.fromkeys((COUNSELLOR, MANAGER), _on(Condition.OFFERED))),
    Action.OPEN_CALL: Rule("Open the page of a call", {COUNSELLOR: _HOLDS, MANAGER: _IN_HAND}),
    Action.SHOW_NUMBER: Rule("Have the number shown at the moment of ringing",
        {COUNSELLOR: _HOLDS, MANAGER: _HOLDS}),
    Action.RING: Rule("Ring the caller, or say that they ring",
        {COUNSELLOR: _HOLDS, MANAGER: _IN_HAND}),
    Action.RECORD_OUTCOME: Rule("Write down how a call went",
        {COUNSELLOR: _HOLDS, MANAGER: _IN_HAND}),
    Action.GIVE_BACK: Rule("Give a request back", {COUNSELLOR: _HOLDS, MANAGER: _IN_HAND}),
    Action.MARK_URGENT: Rule("Put an open request before all others, or back among them",
        {COUNSELLOR: ALWAYS, MANAGER: ALWAYS, SAFEGUARDING: ALWAYS}),
    Action.BE_AWAY: Rule("Take a break, leave early, come back", _AT_WORK),
    Action.SIGN_OFF_COLLEAGUE: Rule("Say that somebody on shift is not here", _MANAGER),

    Action.BAR_COLLEAGUE: Rule("Keep a colleague away from a caller, or end that",
        {MANAGER: _on(Condition.COLLEAGUE)}),
    Action.SEE_HISTORY: Rule("See what happened to a request",
        {MANAGER: ALWAYS, SAFEGUARDING: _on(Condition.FLAGGED)}),
    Action.SEE_RECORD: Rule("Open the record of a request, masked",
        {MANAGER: ALWAYS, SAFEGUARDING: _on(Condition.FLAGGED)}),
    Action.LOOK_BEHIND_MASK: Rule("Have the whole record shown for a quarter of an hour",
        {MANAGER: _on(Condition.REASON),
         SAFEGUARDING: _on(Condition.FLAGGED, Condition.REASON)}),
    Action.SEE_LOOKS: Rule("See who looked at which record, and why", _MANAGER),
    Action.SEE_DECOYS: Rule("See which records are decoys, and who opened one",
        {SAFEGUARDING: ALWAYS, ADMINISTRATOR: ALWAYS}),
    Action.ALLOW_LOOKS: Rule("Allow somebody more looks today than the budget",
        {MANAGER: _on(Condition.COLLEAGUE, Condition.STEP_UP)}),
    Action.SEE_FLAGGED: Rule("See the list of requests that were marked urgent",
        {SAFEGUARDING: ALWAYS}),
    Action.LIST_REQUESTS: Rule("List requests by token, without personal data", _MANAGER),

    Action.SEE_TEXTS: Rule("See the texts that went out, to masked numbers", _MANAGER),
    Action.CONTROL_TEXTS: Rule("Stop or allow texts to a number, ask the gateway", _MANAGER),
    Action.SEE_FINDINGS: Rule("See what the auditor found", _MANAGER),
    Action.SEE_COVER: Rule("See cover and gaps", _MANAGER),
    Action.EDIT_COVER: Rule("Change what cover is needed, mute a warning", _MANAGER),

    Action.SEE_ROTA: Rule("See the rota; on a page or by token", dict.fromkeys(Role, ALWAYS)),
    Action.WORK_OWN_SHIFTS: Rule("Ask for leave, report ill, take open shifts, swap", _AT_WORK),
    Action.MAKE_CALENDAR_LINK: Rule("Make a link to a calendar of shifts",
        dict.fromkeys((COUNSELLOR, MANAGER), _STEP_UP)),
    Action.READ_WHOLE_ROTA_CALENDAR: Rule("Have everybody's shifts in a calendar", _MANAGER),
    Action.EDIT_ROTA: Rule("Change the rota, decide on leave and swaps, undo", _MANAGER),
    Action.SEE_PEOPLE: Rule("See hours, rest and fairness by person", _MANAGER),
    Action.EDIT_PEOPLE: Rule("Allow a breach of rest, keep opt-outs", _MANAGER),

    Action.SEE_ACCOUNTS: Rule("See the accounts of staff", {ADMINISTRATOR: ALWAYS}),
    Action.MANAGE_ACCOUNTS: Rule("Invite, disable, enable, end sign-ins of staff",
        {ADMINISTRATOR: _on(Condition.STEP_UP)}),
    Action.EDIT_SKILLS: Rule("Say what languages and skills staff have", {ADMINISTRATOR: ALWAYS}),
    Action.SEE_RESETS: Rule("See who asked to have a lost second step reset",
        {MANAGER: ALWAYS, ADMINISTRATOR: ALWAYS}),
    Action.ASK_FOR_RESET: Rule("Ask to have a colleague's lost second step reset",
        dict.fromkeys((MANAGER, ADMINISTRATOR), _on(Condition.COLLEAGUE, Condition.STEP_UP))),
    Action.CONFIRM_RESET: Rule("Confirm a reset that somebody else asked for",
        {ADMINISTRATOR: _on(Condition.COLLEAGUE, Condition.STEP_UP)}),
    Action.CALL_OFF_RESET: Rule("Call a reset off",
        {**_EVERYBODY, MANAGER: ALWAYS, ADMINISTRATOR: ALWAYS}),
    Action.SEE_AUDIT: Rule("Read the audit log, which holds ids only",
        {MANAGER: ALWAYS, ADMINISTRATOR: ALWAYS}),

    Action.SEE_DATA_REQUESTS: Rule("See the list of data requests, holds and figures", _MANAGER),
    Action.HANDLE_DATA_REQUESTS: Rule("Find by number, export, correct, erase, for a data request",
        {MANAGER: _on(Condition.STEP_UP)}),
    Action.HANDLE_COMPLAINTS: Rule("Read, acknowledge, answer and erase complaints about data",
        {MANAGER: _on(Condition.STEP_UP)}),
    Action.HOLD_REQUEST: Rule("Keep a request from being erased, or end that",
        {MANAGER: _on(Condition.STEP_UP),
         SAFEGUARDING: _on(Condition.FLAGGED, Condition.STEP_UP)}),
    Action.LET_POSTS_IN: Rule("Let posts in that a flood keeps outside the queue", _MANAGER),
    Action.DISCARD_POSTS: Rule("Throw such posts away", {MANAGER: _on(Condition.STEP_UP)}),
})  # fmt: skip


class Sight(StrEnum):
    """How much of a field somebody sees."""

    HIDDEN = "hidden"
    MASKED = "masked"  # the last three digits of a number, or only that there is something
    WHOLE = "whole"


class Field(StrEnum):
    """A kind of data of a caller, however many columns keep it."""

    NUMBER = "number"
    NAME = "name"
    SAFE_CONTACT = "safe_contact"
    CONTACT_RULES = "contact_rules"
    NOTES = "notes"
    OUTCOME = "outcome"
    TEXTS_IN = "texts_in"
    TEXTS_OUT = "texts_out"
    TIMES = "times"
    WISHES = "wishes"
    REFERENCE = "reference"
    LET_GO_WORDS = "let_go_words"
    COMPLAINT = "complaint"


#: The first of these whose conditions hold is what is seen; none is hidden.
Sights = tuple[tuple[Conditions, Sight], ...]


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One line of the table of fields: who sees how much of it, and where it is kept."""

    words: str
    seen: Mapping[Role, Sights]
    kept_in: tuple[str, ...]  # "table.column"


_ALL: Final[Sights] = ((ALWAYS, Sight.WHOLE),)
_WITH_CALL: Final[Sights] = ((_HOLDS, Sight.WHOLE),)
_WITH_REASON: Final = (_on(Condition.REASON), Sight.WHOLE)
_FLAGGED: Final = _on(Condition.FLAGGED)
_FLAGGED_ALL: Final[Sights] = ((_FLAGGED, Sight.WHOLE),)
_FLAGGED_REASON: Final = (_on(Condition.FLAGGED, Condition.REASON), Sight.WHOLE)
_TOLD_US: Final = {
    COUNSELLOR: _WITH_CALL,
    MANAGER: (*_WITH_CALL, _WITH_REASON, (ALWAYS, Sight.MASKED)),
    SAFEGUARDING: (_FLAGGED_REASON, (_FLAGGED, Sight.MASKED)),
}
_ON_THE_DESK: Final = {COUNSELLOR: _ALL, MANAGER: _ALL, SAFEGUARDING: _FLAGGED_ALL}

FIELDS: Final[Mapping[Field, FieldRule]] = MappingProxyType({
    Field.NUMBER: FieldRule("Number", _TOLD_US,
        ("callback_request.phone_sealed", "outbox_message.to_sealed", "data_request.phone_sealed",
         "form_post.ask_sealed", "complaint.phone_sealed")),
    Field.NAME: FieldRule("Name", _TOLD_US, ("callback_request.name_sealed",)),
    Field.SAFE_CONTACT: FieldRule("What helps us ring safely", _TOLD_US,
        ("callback_request.note_sealed",)),
    Field.NOTES: FieldRule("Notes of conversations", _TOLD_US,
        ("callback_request.closing_note_sealed",)),
    Field.TEXTS_IN: FieldRule("What they texted to us", _TOLD_US, ("inbound_text.body_sealed",)),
    Field.CONTACT_RULES: FieldRule("Whether a text or voicemail is allowed", _ON_THE_DESK, (
        "callback_request.may_text", "callback_request.may_leave_voicemail",
        "submission.may_text", "submission.may_leave_voicemail",
    )),
    Field.TIMES: FieldRule("When they are to be rung", _ON_THE_DESK, (
        "callback_request.ring_from", "callback_request.due_at", "callback_request.agreed_from",
        "contact_window.starts_at", "contact_window.due_at",
    )),
    Field.WISHES: FieldRule("Whom they wish to speak with", _ON_THE_DESK, (
        "callback_request.wish_language", "callback_request.wish_gender",
        "callback_request.wish_counsellor_id", "submission.wish_language",
        "submission.wish_gender", "submission.wishes_same_counsellor",
    )),
    Field.REFERENCE: FieldRule("Reference", _ON_THE_DESK, ("callback_request.reference",)),
    Field.OUTCOME: FieldRule("How tries went and how it ended",
        {COUNSELLOR: _WITH_CALL, MANAGER: _ALL, SAFEGUARDING: _FLAGGED_ALL},
        ("attempt.outcome", "callback_request.disposition")),
    Field.TEXTS_OUT: FieldRule("Words of texts to them", {MANAGER: _ALL}, ("outbox_message.body",)),
    Field.LET_GO_WORDS: FieldRule("Why a colleague let it go, in their words",
        {MANAGER: _ALL, SAFEGUARDING: _FLAGGED_ALL}, ("offer.words_sealed",)),
    Field.COMPLAINT: FieldRule("What they complain of, and how to answer them",
        {MANAGER: ((_on(Condition.STEP_UP), Sight.WHOLE),)},
        ("complaint.words_sealed", "complaint.answer_to_sealed")),
})  # fmt: skip


def roles_of(action: Action) -> frozenset[Role]:
    """Who may do ``action`` at all, whatever must hold beside."""
    return frozenset(RULES[action].may)


def may(role: Role, action: Action) -> bool:
    """Whether ``role`` may do ``action`` at all, whatever must hold beside."""
    return role in RULES[action].may


def needs(role: Role, action: Action) -> Conditions:
    """What must hold for ``role``, which may do ``action``. Raises KeyError where it may not."""
    return RULES[action].may[role]


def permits(role: Role, action: Action, met: Collection[Condition]) -> bool:
    """Whether ``role`` may do ``action`` where the conditions ``met`` hold, and no others."""
    needed = RULES[action].may.get(role)
    return needed is not None and needed <= frozenset(met)


def needs_step_up(action: Action) -> bool:
    """Whether a second factor must have been given just now."""
    return any(Condition.STEP_UP in needed for needed in RULES[action].may.values())


def sight(role: Role, field: Field, met: Collection[Condition]) -> Sight:
    """How much of ``field`` a person of ``role`` sees where the conditions ``met`` hold."""
    for needed, how_much in FIELDS[field].seen.get(role, ()):
        if needed <= frozenset(met):
            return how_much
    return Sight.HIDDEN
