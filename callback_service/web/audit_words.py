"""Plain words for what the audit log holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from callback_service.services.audit import LOOKS
from callback_service.services.audit_trail import TrailRow

#: What a list can be narrowed to: the word in the address, its label, and the starts of names.
GROUPS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "looks": ("Looks at what callers told us", (*LOOKS, "texts.looked_up")),
    "requests": ("Requests", ("request.",)),
    "calls": ("Calls and texts", ("call.", "text.", "texts.")),
    "accounts": ("Accounts and signing in", ("staff.", "api_token.", "calendar.")),
    "refusals": ("What staff were refused", ("access.",)),
    "rota": (
        "Rota, cover and presence",
        ("rota", "cover.", "leave.", "swap.", "availability.", "presence.", "rest."),
    ),
}

DEEDS: Final[Mapping[str, str]] = {
    "access.refused": "Was refused a page or an act",
    "api_token.ended": "Ended a token for programs",
    "api_token.made": "Made a token for programs",
    "availability.stated": "Said when they cannot work",
    "availability.taken_back": "Took back when they cannot work",
    "calendar.link_ended": "Ended a calendar link",
    "calendar.link_made": "Made a calendar link",
    "call.inbound_taken": "Took a request by the phone line",
    "call.started": "Had the caller rung",
    "calls.stopped": "Noted that a number is never to be rung",
    "complaint.acknowledged": "Noted how a complaint was acknowledged",
    "complaint.answered": "Closed a complaint as answered",
    "complaint.erased": "Erased a complaint",
    "complaint.erased_again": "Erased a complaint that a backup brought back",
    "complaint.erasure_asked": "Asked for a complaint to be erased",
    "complaint.erasure_taken_back": "Took back the wish to erase a complaint",
    "complaint.read": "Read a complaint",
    "complaint.received": "A complaint came in",
    "complaint.written_down": "Wrote a complaint down",
    "cover.gap_muted": "Muted a gap in the rota",
    "cover.gap_told": "Told managers of a gap in the rota",
    "cover.gap_unmuted": "Unmuted a gap in the rota",
    "cover.requirement_added": "Added how many are needed",
    "cover.requirement_put_back": "Put back how many are needed",
    "cover.requirement_removed": "Took away how many are needed",
    "data_request.answered": "Closed a data request",
    "data_request.erased": "Confirmed an erasure",
    "data_request.erased_again": "Erased a data request that a backup brought back",
    "data_request.erasure_asked": "Asked for an erasure",
    "data_request.erasure_taken_back": "Took back the wish for an erasure",
    "data_request.exported": "Exported what we hold of somebody",
    "data_request.looked_up": "Looked a number up for a data request",
    "data_request.opened": "Opened a data request",
    "data_request.read": "Read what we hold of somebody",
    "decoy.opened": "Opened a decoy",
    "decoy.planted": "A decoy was planted",
    "decoy.seen_to": "Saw to a look at a decoy",
    "decoy.withdrawn": "A decoy was withdrawn",
    "demo.seeded": "Put the demo's people and rota in",
    "form_post.discarded": "Threw posts of a flood away",
    "form_post.erased": "Erased a request outside the queue",
    "form_post.kept_aside": "Kept a post outside the queue",
    "form_post.let_in": "Let a post in",
    "form_post.withdrawn": "A post that waited was taken back",
    "hold.ended": "Ended a hold on a request",
    "hold.placed": "Put a request on hold",
    "leave.asked": "Asked for time off",
    "leave.declined": "Declined time off",
    "leave.granted": "Granted time off",
    "leave.withdrawn": "Withdrew the wish for time off",
    "presence.available": "Came back to the desk",
    "presence.break": "Began a break",
    "presence.more_time": "Took more time after a call",
    "presence.signed_off": "Signed off for the shift",
    "presence.wrap_up": "Began the time after a call",
    "request.accepted": "Took the request",
    "request.bar_lifted": "Ended that a colleague is kept away from the caller",
    "request.barred": "Keeps a colleague away from the caller",
    "request.calling": "Rang the caller",
    "request.cleared": "Let go of what a closed request still held",
    "request.closed": "Closed the request",
    "request.corrected": "Put a number or a name right",
    "request.erased": "Erased what the caller told us",
    "request.erasure_asked": "Asked by a link to have it erased",
    "request.escalated": "Escalated the request",
    "request.given_back": "Gave the request back",
    "request.history_read": "Read the history of the request",
    "request.joined": "Asked again from the same number",
    "request.look": "Gave a reason to see a record",
    "request.not_urgent": "Marked it as not urgent",
    "request.number_read": "Had the caller's number shown",
    "request.offer_declined": "Declined the request",
    "request.offer_lapsed": "An offer was not answered",
    "request.offer_superseded": "An offer ended, as its counsellor is kept away",
    "request.offered": "Offered the request",
    "request.read": "Opened the call and read its details",
    "request.record_read": "Opened the record of the request",
    "request.ring_again": "Will be rung again",
    "request.taken": "Asked for a call",
    "request.urgent": "Marked it as urgent",
    "request.window_withdrawn": "Withdrew a time",
    "rest.allowance_ended": "Ended an exception from rest",
    "rest.allowance_put_back": "Put back an exception from rest",
    "rest.allowed": "Allowed an exception from rest",
    "rest.opt_out_ended": "Ended working more than 48 hours",
    "rest.opted_out": "Agreed to more than 48 hours",
    "rota.change_cancelled": "Cancelled a change of the rota",
    "rota.change_cut_short": "Cut short a change of the rota",
    "rota.change_made": "Changed the rota for some dates",
    "rota.change_put_back": "Put back a change of the rota",
    "rota.imported": "Brought a calendar in",
    "rota.leave_granted": "Put somebody's time off on the rota",
    "rota.open_shift_given_back": "Gave an open shift back",
    "rota.open_shift_taken": "Took an open shift",
    "rota.pattern_added": "Added a line to the rota",
    "rota.pattern_ended": "Ended a line of the rota",
    "rota.pattern_put_back": "Put back a line of the rota",
    "rota.pattern_removed": "Removed a line of the rota",
    "rota.pattern_replaced": "Replaced a line of the rota",
    "rota.swap_agreed": "A swap holds",
    "rota.swap_undone": "Undid a swap",
    "rota.undone": "Undid an edit of the rota",
    "rota_notice.seen": "Saw the notice of an absence",
    "rota_notice.told": "Told managers of an absence",
    "staff.app_set_up": "Set up an app for codes",
    "staff.codes_renewed": "Made new recovery codes",
    "staff.confirmed": "Confirmed with a second step",
    "staff.disabled": "Disabled an account",
    "staff.email_changed": "Changed an e-mail address",
    "staff.enabled": "Enabled an account",
    "staff.erased": "Erased who somebody that left was",
    "staff.invited": "Invited somebody",
    "staff.link_made": "Made a one-time link",
    "staff.link_used": "Used a one-time link",
    "staff.more_looks": "Allowed a colleague more looks",
    "staff.new_browser": "Signed in from a new browser",
    "staff.number_changed": "Changed a number for texts",
    "staff.passkey_added": "Added a passkey",
    "staff.passkey_removed": "Removed a passkey",
    "staff.password_given": "Gave the right password",
    "staff.password_set": "Set a password",
    "staff.recovery_code_used": "Used a recovery code",
    "staff.recovery_codes_made": "Made recovery codes",
    "staff.reset_asked": "Asked to have a second step reset",
    "staff.reset_called_off": "Called a reset off",
    "staff.reset_lapsed": "A reset was not confirmed in time",
    "staff.role_changed": "Changed a role",
    "staff.second_step_reset": "Took away password and second step",
    "staff.sign_in_ended": "Ended one sign-in",
    "staff.sign_in_expired": "Was signed out after a time",
    "staff.sign_in_limited": "Was refused: too many tries",
    "staff.sign_in_refused": "Was refused: wrong password or code",
    "staff.sign_ins_ended": "Ended sign-ins",
    "staff.signed_in": "Signed in",
    "staff.signed_out": "Signed out",
    "staff.skills_changed": "Changed languages and skills",
    "staff.texts_allowed": "The phone of somebody on the staff takes texts again",
    "staff.texts_chosen": "Chose which texts to get",
    "staff.texts_stopped": "The phone of somebody on the staff takes no texts any more",
    "swap.approved": "Approved a swap",
    "swap.declined": "Declined a swap",
    "swap.lapsed": "A swap lapsed",
    "swap.offered": "Offered a swap",
    "swap.taken": "Took a swap",
    "swap.undone": "Undid a swap",
    "swap.withdrawn": "Withdrew a swap",
    "text.asked_after": "Asked Twilio about a text",
    "text.dropped": "A text was not sent",
    "text.failed": "A text did not arrive",
    "text.kept": "A text was kept here",
    "text.queued": "A text waits to be tried again",
    "text.receipt": "A receipt for a text came",
    "text.received": "A text came in",
    "text.sending": "It is unclear whether a text went",
    "text.sent": "A text was sent",
    "texts.allowed": "Allowed texts to a number",
    "texts.looked_up": "Looked a number up among those that get no texts",
    "texts.stopped": "Stopped texts to a number",
}

_FOR_PROGRAMS: Final = "token"  # a word of ours: bandit takes it for one beside such a key

SUBJECTS: Final[Mapping[str, str]] = {
    "api_token": _FOR_PROGRAMS,
    "bridged_call": "call",
    "calendar_feed": "calendar link",
    "callback_request": "request",
    "cover_requirement": "need",
    "cover_warning": "gap",
    "decoy": "decoy",
    "inbound_call": "call to us",
    "inbound_text": "text to us",
    "leave_request": "time off",
    "outbox_message": "text",
    "rest_allowance": "exception",
    "rota_change": "change",
    "rota_notice": "notice",
    "rota_revision": "edit",
    "shift_pattern": "line",
    "staff": "account",
    "suppression": "number",
    "swap": "swap",
    "unavailability": "time",
    "working_time_opt_out": "agreement",
}

#: Details that say why, and the words for those that are names of ours.
_WHY: Final = ("why", "reason", "disposition", "step", "outcome", "kind", "proof")
_REASONS: Final[Mapping[str, str]] = {
    "own_call": "It was theirs to ring",
    "stepped_in": "A manager who stepped in",
}


def deed(row: TrailRow) -> str:
    """What was done."""
    return DEEDS.get(row.action) or row.action.replace(".", ": ").replace("_", " ").capitalize()


def record(row: TrailRow) -> str:
    """To which record: a reference or a colleague's name where there is one, or its kind and id."""
    if row.reference or row.about:
        return row.reference or row.about or ""
    if row.subject == "route":
        route = str(row.detail["route"]).replace(".", ": ").replace("_", " ")
        of_row = f", number {row.detail['row']}" if "row" in row.detail else ""
        return f"{route.capitalize()}{of_row}"
    kind = SUBJECTS.get(row.subject, row.subject.replace("_", " "))
    named = f"{kind} {row.subject_id}" if row.subject_id is not None else f"no {kind}"
    return named.capitalize()


def why(row: TrailRow) -> str:
    """Why, as far as it was written down."""
    given = [str(row.detail[name]) for name in _WHY if row.detail.get(name)]
    words = [_REASONS.get(one) or one.replace("_", " ").capitalize() for one in given]
    if row.subject == "route":
        words.append(
            "It is not for their role"
            if row.detail["status"] == 403
            else "It is not theirs, or not there"
        )
    if row.detail.get("is_last_of_hour"):
        words.append("more within this hour are not written down")
    if row.detail.get("shows_number") and row.action == "request.read":
        words.append("with the number")
    return ", ".join(words)
