"""Create the findings of the auditor, and let escalation take more steps."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

KINDS = (
    "untold", "unowned", "unplanned", "overheld", "call_stuck", "offer_open", "holder_gone",
    "closed_holds", "windows_ended", "not_expired", "tick_stopped",
)  # fmt: skip
OF_REQUEST = sa.text("gone_at IS NULL AND request_id IS NOT NULL")
OF_NONE = sa.text("gone_at IS NULL AND request_id IS NULL")
WINDOW_OPEN = sa.text("ended_at IS NULL")

TEXT_KINDS = ("confirmation", "missed", "closing", "escalation", "gap", "absence")
STEPS = ("duty_lead", "all_managers")
REASONS = (
    "nobody_on_shift", "nobody_accepted", "nearly_due", "not_rung", "still_waiting",
    "call_not_closed",
)  # fmt: skip


def upgrade() -> None:
    _create_finding()
    op.create_index(
        "ix_contact_window_open", "contact_window", ["request_id"],
        sqlite_where=WINDOW_OPEN, postgresql_where=WINDOW_OPEN,
    )  # fmt: skip
    _allow("outbox_message", "kind", "textkind", (*TEXT_KINDS, "audit"))
    _allow("escalation", "step", "step", (*STEPS, "other_leads", "first_manager"))
    _allow("escalation", "reason", "reason", (*REASONS, "urgent"))


def _create_finding() -> None:
    op.create_table(
        "finding",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                *KINDS, name="findingkind", native_enum=False, create_constraint=True, length=24
            ),
            nullable=False,
        ),
        sa.Column("request_id", sa.Integer(), nullable=True),
        sa.Column("detail", sa.String(length=200), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("repaired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(kind = 'tick_stopped') = (request_id IS NULL)", name=op.f("ck_finding_request_set")
        ),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["callback_request.id"],
            name=op.f("fk_finding_request_id_callback_request"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finding")),
    )
    op.create_index(op.f("ix_finding_request_id"), "finding", ["request_id"])
    op.create_index(
        "uq_finding_open", "finding", ["kind", "request_id"], unique=True,
        sqlite_where=OF_REQUEST, postgresql_where=OF_REQUEST,
    )  # fmt: skip
    op.create_index(
        "uq_finding_open_of_none", "finding", ["kind"], unique=True,
        sqlite_where=OF_NONE, postgresql_where=OF_NONE,
    )  # fmt: skip


def _allow(table: str, column: str, check: str, words: tuple[str, ...]) -> None:
    """Let ``column`` be one of ``words``."""
    listed = "{} IN ({})".format(column, ", ".join(f"'{word}'" for word in words))
    name = op.f(f"ck_{table}_{check}")
    with op.batch_alter_table(table) as changed:
        changed.drop_constraint(name, type_="check")
        changed.create_check_constraint(name, listed)


def downgrade() -> None:
    op.drop_index("ix_contact_window_open", "contact_window")
    op.drop_table("finding")
    op.execute("DELETE FROM escalation WHERE step IN ('other_leads', 'first_manager')")
    op.execute("UPDATE escalation SET reason = 'nearly_due' WHERE reason = 'urgent'")
    op.execute(
        "DELETE FROM delivery_receipt"
        " WHERE message_id IN (SELECT id FROM outbox_message WHERE kind = 'audit')"
    )
    op.execute("DELETE FROM outbox_message WHERE kind = 'audit'")
    _allow("outbox_message", "kind", "textkind", TEXT_KINDS)
    _allow("escalation", "step", "step", STEPS)
    _allow("escalation", "reason", "reason", REASONS)
