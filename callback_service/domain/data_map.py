"""Where personal data stands: every column of every table, and what becomes of it.

A test holds this against the tables: a column that is missing here fails it. The documentation is
printed from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final

from callback_service.domain.retention import CLOCKS, Clock, Keeping, Kept, spoken_length


class Stays(StrEnum):
    """What no clock erases, and why it may stay."""

    COURSE = "the course of a request; once it is emptied its times are days, and nobody is in it"
    AUDIT = "who of staff did what to which record, by ids; rows are only added"
    STOPPED = "a keyed digest, until the person allows texts or calls again"
    STAFF = "an account and its settings, as long as somebody works here, and then without a name"
    ROTA = "the rota and its history; people by id"
    RUNNING = "how the service runs; nobody is in it"
    FIGURES = "counts in which nobody can be told from another"


Fate = Kept | Stays

#: Table, then columns by what becomes of them.
DATA_MAP: Final[Mapping[str, Mapping[Fate, str]]] = {
    "api_token": {Kept.LEAVERS: "id staff_id name token_digest created_at last_used_at revoked_at"},
    "attempt": {Stays.COURSE: "id request_id counsellor_id number started_at ended_at outcome"},
    "audit_entry": {Stays.AUDIT: "id at actor_id action subject subject_id detail"},
    "audit_head": {Stays.AUDIT: "id position mac proof begins_after"},
    "audit_seal": {Stays.AUDIT: "position entry_id key_id mac"},
    "audit_shipping": {Stays.AUDIT: "id position"},
    "bar": {Stays.AUDIT: "id request_id staff_id barred_by_id at lifted_at lifted_by_id"},
    "bridged_call": {
        Kept.CALLERS: "own_sid caller_sid seconds",
        Stays.COURSE: "id uid request_id counsellor_id attempt_id state ending started_at "
        "dialled_at connected_at ended_at check_at fence error_code reason",
    },
    "calendar_feed": {Kept.LEAVERS: "id owner_id scope token_digest created_at revoked_at"},
    "call_report": {Kept.CALLERS: "id call_id leg sid status received_at"},
    "callback_request": {
        Kept.CALLERS: "phone_sealed phone_index name_sealed note_sealed reference follows_id "
        "wish_language wish_gender wish_counsellor_id",
        Kept.NOTES: "closing_note_sealed",
        Stays.COURSE: "id uid phone_kind may_text may_leave_voicemail is_urgent state created_at "
        "ring_from due_at is_window agreed_from tries assigned_to_id assigned_at hold_until round "
        "first_attempt_at closed_at disposition",
    },
    "complaint": {
        Kept.DATA_REQUESTS: "reference key_digest words_sealed answer_to_sealed phone_sealed "
        "phone_index",
        Kept.FORM_POSTS: "network_index",
        Stays.AUDIT: "id uid answer_by is_by_program received_at came_on opened_by_id "
        "acknowledged_on acknowledged_how acknowledged_by_id erasure_asked_by_id ended_at "
        "ended_by_id ending",
    },
    "contact_window": {
        Kept.CALLERS: "foreseen_seconds foreseen_sd_seconds",
        Stays.COURSE: "id request_id submission_id is_window starts_at due_at place ended_at kept",
    },
    "cover_look": {Stays.RUNNING: "id looked_at seen_audit_id"},
    "cover_requirement": {
        Stays.ROTA: "id applies_on weekdays starts ends needed skill from_on until_on "
        "created_by_id created_at"
    },
    "cover_warning": {
        Stays.ROTA: "id starts_at ends_at skill short goes_on first_told_at last_told_at "
        "times_told is_told_near muted_at muted_by_id muted_reason closed_at"
    },
    "data_request": {
        Kept.DATA_REQUESTS: "phone_sealed phone_index words_sealed",
        Stays.AUDIT: "id uid about opened_by_id opened_at due_on asked_by_id asked_at stop_texts "
        "stop_calls ended_by_id ended_at ending",
    },
    "decoy": {Kept.CALLERS: "request_sealed", Stays.AUDIT: "id uid planted_at ended_at"},
    "decoy_opening": {Stays.AUDIT: "id decoy_id staff_id action at told_at seen_at seen_by_id"},
    "delivery_receipt": {Kept.TEXTS: "id message_id provider_sid status error_code received_at"},
    "erasure_run": {Stays.RUNNING: "id at erased cleared_at"},
    "escalation": {Stays.COURSE: "id request_id round step reason at"},
    "feed_shift": {
        Kept.LEAVERS: "feed_id uid staff_id duty starts_at ends_at is_cancelled sequence changed_at"
    },
    "figure": {Stays.FIGURES: "id measure from_on line count"},
    "finding": {Stays.RUNNING: "id kind request_id detail found_at repaired_at told_at gone_at"},
    "form_post": {
        Kept.FORM_POSTS: "id uid key_digest network_index phone_index ask_sealed posted_at "
        "let_in_at held_until"
    },
    "gateway_record": {
        Kept.CALLERS: "id kind sid request_id owed_since try_at tries trouble",
    },
    "heartbeat": {Stays.RUNNING: "tick succeeded_at"},
    "held_form": {Kept.HELD_FORMS: "id uid staff_id path fields_sealed held_at"},
    "inbound_call": {
        Kept.INBOUND_CALLS: "id uid sid started_at keyed_sealed tries phone_index taken_at "
        "promised_by"
    },
    "inbound_text": {
        Kept.TEXTS: "provider_sid phone_index body_sealed",
        Stays.COURSE: "id uid kind request_id answers_id received_at",
    },
    "known_device": {Kept.DEVICES: "id staff_id token_digest seen_at"},
    "leave_request": {
        Stays.ROTA: "id state staff_id kind from_on until_on asked_at ended_by_id ended_at reason "
        "change_id"
    },
    "legal_hold": {
        Kept.DATA_REQUESTS: "reason_sealed",
        Stays.AUDIT: "id uid request_id review_on placed_by_id placed_at ended_by_id ended_at",
    },
    "line_lookup": {Kept.LOOKUPS: "id phone_index kind asked_at expires_at"},
    "look": {
        Kept.CALLERS: "words_sealed",
        Stays.AUDIT: "id uid request_id staff_id reason on_day number is_beyond at",
    },
    "look_allowance": {Stays.AUDIT: "id staff_id on_day allowed_by_id at"},
    "offer": {
        Kept.NOTES: "words_sealed",
        Stays.COURSE: "id request_id counsellor_id round made_at lapses_at ended_at ending reason",
    },
    "outbox_message": {
        Kept.TEXTS: "to_sealed body provider_sid once_key",
        Kept.COUNTED: "to_index network_index",
        Stays.COURSE: "id uid kind template request_id staff_id offer_id segments urgency state "
        "send_after expires_at lease_until fence claimed_by in_doubt first_tried_at tries "
        "unclear_tries delivery_status error_code reason created_at sent_at",
    },
    "passkey": {
        Kept.LEAVERS: "id staff_id credential_id public_key sign_count name created_at last_used_at"
    },
    "plan_entry": {Stays.RUNNING: "request_id counsellor_id starts_at planned_at"},
    "plan_trigger": {Stays.RUNNING: "id reason at"},
    "presence": {Stays.ROTA: "id staff_id kind since until ended_at is_extended"},
    "recovery_code": {Kept.LEAVERS: "id staff_id digest used_at"},
    "request_key": {Kept.CALLERS: "request_uid wrapped"},
    "rest_allowance": {
        Stays.ROTA: "id staff_id rule starts_at ends_at reason allowed_by_id allowed_at "
        "cancelled_at"
    },
    "rota_change": {
        Stays.ROTA: "id kind duty starts_at ends_at staff_id by_id reason created_by_id created_at "
        "taken_at cancelled_by_id cancelled_at swap_id handed_on_from_id imported_uid"
    },
    "rota_change_span": {Stays.ROTA: "id change_id staff_id starts_at ends_at"},
    "rota_notice": {
        Stays.ROTA: "id change_id since until shifts request_id told_at seen_at seen_by_id"
    },
    "rota_revision": {Stays.ROTA: "id made_at actor_id action undoes_id"},
    "rota_revision_row": {Stays.ROTA: "id revision_id table_name row_id before after"},
    "rota_revision_subject": {Stays.ROTA: "subject revision_id"},
    "second_step_reset": {
        Kept.PROOFS: "proof_sealed",
        Stays.AUDIT: "id uid staff_id reason asked_by_id asked_at state ended_at ended_by_id",
    },
    "shift_pattern": {
        Stays.ROTA: "id staff_id duty weekdays starts ends from_on until_on cycle_from_on "
        "cycle_days cycle_on_days counted_in created_by_id created_at imported_uid"
    },
    "shift_turn": {Stays.ROTA: "id pattern_id place length staff_id"},
    "sign_in": {
        Kept.SIGN_INS: "id uid token_digest staff_id stage created_at seen_at fresh_at "
        "pending_totp_sealed challenge challenge_at device"
    },
    "sign_in_attempt": {Kept.TRIES: "id account_key network_key proof is_known at"},
    "staff": {
        Kept.LEAVERS: "email name phone_sealed password_hash totp_secret_sealed totp_last_step",
        Stays.STAFF: "id uid role texts_offers texts_stopped_at is_active created_at disabled_at "
        "links_ended",
    },
    "staff_skill": {Kept.LEAVERS: "staff_id kind value"},
    "submission": {
        Kept.CALLERS: "key_digest fingerprint wish_language wish_gender wishes_same_counsellor "
        "erasure_asked_at",
        Stays.COURSE: "id request_id consent_version consented_at may_text may_leave_voicemail "
        "created_at withdrawn_at",
    },
    "suppression": {Stays.STOPPED: "id phone_index said_by no_calls since"},
    "swap": {
        Stays.ROTA: "id state duty offered_by_id starts_at ends_at to_id wanted_starts_at "
        "wanted_ends_at begins_at taken_by_id taken_at reason created_by_id created_at ended_at"
    },
    "text_gate": {
        Stays.RUNNING: "id failures opened_at closed_until pause_seconds tokens tokens_at spent_on "
        "spent"
    },
    "unavailability": {
        Stays.ROTA: "id staff_id weekdays starts ends from_on until_on created_by_id created_at"
    },
    "working_time_opt_out": {
        Stays.ROTA: "id staff_id agreed_on ends_on recorded_by_id recorded_at"
    },
}


def mapped() -> Iterator[tuple[str, str]]:
    """Every (table, column) in the map."""
    for table, columns in DATA_MAP.items():
        for names in columns.values():
            yield from ((table, name) for name in names.split())


def schedule_in_markdown(keeping: Keeping) -> str:
    """How long what is kept, and where it stands: two tables."""
    return "\n".join([*_schedule(keeping), "", *_map()])


def _schedule(keeping: Keeping) -> Iterator[str]:
    yield "| kind | what | kept | after | setting |"
    yield "|---|---|---|---|---|"
    for clock in CLOCKS:
        kept = spoken_length(keeping.lasts(clock.kind))
        yield f"| {clock.kind} | {clock.what} | {kept} | {clock.after} | {_setting(clock)} |"
    for stays in Stays:
        yield f"| {stays.name.lower()} | {stays} | no clock | | |"


def _setting(clock: Clock) -> str:
    why = f": {clock.why}" if clock.why else ""
    if clock.setting is None:
        return f"fixed{why}"
    return f"`{clock.setting}`, {clock.least} to {clock.most} days{why}"


def _map() -> Iterator[str]:
    yield "| table | kind | columns |"
    yield "|---|---|---|"
    for table, columns in DATA_MAP.items():
        for fate, names in columns.items():
            kind = fate if isinstance(fate, Kept) else fate.name.lower()
            yield f"| {table} | {kind} | {names} |"
