"""Create callback requests with their windows, submissions, offers and attempts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "callback_request",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("reference", sa.String(length=8), nullable=False),
        sa.Column("phone_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("phone_index", sa.LargeBinary(length=16), nullable=True),
        sa.Column(
            "phone_kind",
            sa.Enum(
                "mobile",
                "landline",
                name="linekind",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("name_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("note_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("closing_note_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("may_text", sa.Boolean(), nullable=False),
        sa.Column("may_leave_voicemail", sa.Boolean(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "waiting",
                "assigned",
                "calling",
                "closed",
                name="requeststate",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ring_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_window", sa.Boolean(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("assigned_to_id", sa.Integer(), nullable=True),
        sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hold_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("first_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "disposition",
            sa.Enum(
                "helped",
                "referred",
                "withdrawn",
                "unreachable",
                "wrong_number",
                "duplicate",
                "expired",
                name="disposition",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=True,
        ),
        sa.CheckConstraint(
            "(state = 'closed') = (closed_at IS NOT NULL)",
            name=op.f("ck_callback_request_closed_at_set"),
        ),
        sa.CheckConstraint(
            "(state = 'closed') = (disposition IS NOT NULL)",
            name=op.f("ck_callback_request_disposition_set"),
        ),
        sa.CheckConstraint(
            "(state IN ('assigned', 'calling')) = (assigned_to_id IS NOT NULL)",
            name=op.f("ck_callback_request_holder_set"),
        ),
        sa.CheckConstraint(
            "(state IN ('assigned', 'calling')) = (hold_until IS NOT NULL)",
            name=op.f("ck_callback_request_hold_set"),
        ),
        sa.CheckConstraint(
            "state = 'closed' OR phone_index IS NOT NULL",
            name=op.f("ck_callback_request_open_has_phone"),
        ),
        sa.CheckConstraint("ring_from <= due_at", name=op.f("ck_callback_request_ring_before_due")),
        sa.ForeignKeyConstraint(
            ["assigned_to_id"], ["staff.id"], name=op.f("fk_callback_request_assigned_to_id_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callback_request")),
        sa.UniqueConstraint("reference", name=op.f("uq_callback_request_reference")),
        sa.UniqueConstraint("uid", name=op.f("uq_callback_request_uid")),
    )
    op.create_index(
        op.f("ix_callback_request_phone_index"), "callback_request", ["phone_index"], unique=False
    )
    op.create_index(
        "ix_callback_request_state_due_at", "callback_request", ["state", "due_at"], unique=False
    )
    op.create_index(
        "uq_callback_request_holder",
        "callback_request",
        ["assigned_to_id"],
        unique=True,
        sqlite_where=sa.text("assigned_to_id IS NOT NULL"),
        postgresql_where=sa.text("assigned_to_id IS NOT NULL"),
    )
    op.create_index(
        "uq_callback_request_open_phone",
        "callback_request",
        ["phone_index"],
        unique=True,
        sqlite_where=sa.text("state != 'closed'"),
        postgresql_where=sa.text("state != 'closed'"),
    )
    op.create_table(
        "submission",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(length=16), nullable=False),
        sa.Column("request_id", sa.Integer(), nullable=False),
        sa.Column("consent_version", sa.String(length=16), nullable=False),
        sa.Column("consented_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("may_text", sa.Boolean(), nullable=False),
        sa.Column("may_leave_voicemail", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["callback_request.id"],
            name=op.f("fk_submission_request_id_callback_request"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_submission")),
        sa.UniqueConstraint("key_digest", name=op.f("uq_submission_key_digest")),
    )
    op.create_index(op.f("ix_submission_request_id"), "submission", ["request_id"], unique=False)
    op.create_table(
        "contact_window",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.Integer(), nullable=False),
        sa.Column("submission_id", sa.Integer(), nullable=False),
        sa.Column("is_window", sa.Boolean(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("place", sa.Integer(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("kept", sa.Boolean(), nullable=True),
        sa.CheckConstraint(
            "place IS NULL OR (is_window AND ended_at IS NULL)",
            name=op.f("ck_contact_window_place_is_open"),
        ),
        sa.CheckConstraint("starts_at <= due_at", name=op.f("ck_contact_window_starts_before_due")),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["callback_request.id"],
            name=op.f("fk_contact_window_request_id_callback_request"),
        ),
        sa.ForeignKeyConstraint(
            ["submission_id"],
            ["submission.id"],
            name=op.f("fk_contact_window_submission_id_submission"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_window")),
        sa.UniqueConstraint("submission_id", name=op.f("uq_contact_window_submission_id")),
    )
    op.create_index(
        op.f("ix_contact_window_request_id"), "contact_window", ["request_id"], unique=False
    )
    op.create_index(
        "uq_contact_window_place",
        "contact_window",
        ["starts_at", "place"],
        unique=True,
        sqlite_where=sa.text("place IS NOT NULL"),
        postgresql_where=sa.text("place IS NOT NULL"),
    )
    op.create_table(
        "offer",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.Integer(), nullable=False),
        sa.Column("counsellor_id", sa.Integer(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lapses_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "ending",
            sa.Enum(
                "accepted",
                "lapsed",
                "released",
                "superseded",
                name="offerending",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=True,
        ),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (ending IS NULL)", name=op.f("ck_offer_ending_set")
        ),
        sa.ForeignKeyConstraint(
            ["counsellor_id"], ["staff.id"], name=op.f("fk_offer_counsellor_id_staff")
        ),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["callback_request.id"],
            name=op.f("fk_offer_request_id_callback_request"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offer")),
    )
    op.create_index(
        "uq_offer_open_counsellor",
        "offer",
        ["counsellor_id"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "uq_offer_open_request",
        "offer",
        ["request_id"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "attempt",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.Integer(), nullable=False),
        sa.Column("counsellor_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "outcome",
            sa.Enum(
                "answered",
                "no_answer",
                "engaged",
                "voicemail",
                "wrong_number",
                "not_safe_now",
                "failed",
                name="outcome",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=True,
        ),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (outcome IS NULL)", name=op.f("ck_attempt_outcome_set")
        ),
        sa.ForeignKeyConstraint(
            ["counsellor_id"], ["staff.id"], name=op.f("fk_attempt_counsellor_id_staff")
        ),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["callback_request.id"],
            name=op.f("fk_attempt_request_id_callback_request"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt")),
        sa.UniqueConstraint("request_id", "number", name=op.f("uq_attempt_request_id_number")),
    )
    op.create_index(op.f("ix_attempt_request_id"), "attempt", ["request_id"], unique=False)
    op.create_table(
        "escalation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.Integer(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column(
            "step",
            sa.Enum(
                "duty_lead",
                "all_managers",
                name="step",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column(
            "reason",
            sa.Enum(
                "nobody_on_shift",
                "nobody_accepted",
                "nearly_due",
                "not_rung",
                "still_waiting",
                "call_not_closed",
                name="reason",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["callback_request.id"],
            name=op.f("fk_escalation_request_id_callback_request"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_escalation")),
        sa.UniqueConstraint(
            "request_id", "round", "step", name=op.f("uq_escalation_request_id_round_step")
        ),
    )
    op.create_index(op.f("ix_escalation_request_id"), "escalation", ["request_id"], unique=False)


def downgrade() -> None:
    op.drop_table("escalation")
    op.drop_table("attempt")
    op.drop_table("offer")
    op.drop_table("contact_window")
    op.drop_table("submission")
    op.drop_table("callback_request")
