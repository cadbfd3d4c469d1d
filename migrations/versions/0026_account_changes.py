"""Resets of a lost second step by two people, links that end, texts about accounts.

One-time links that were made before and not used are dead: they hold another stamp.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

TEXT_KINDS = (
    "confirmation", "change", "reminder", "missed", "closing", "auto_reply", "escalation", "gap",
    "absence", "offer", "swap_offered", "swap_taken", "swap_decided", "leave_decided", "audit",
)  # fmt: skip
REASONS = "lost", "stolen", "broken", "replaced"
STATES = "waiting", "done", "called_off", "lapsed"
WAITING = sa.text("state = 'waiting'")


def upgrade() -> None:
    with op.batch_alter_table("staff") as table:
        table.add_column(sa.Column("links_ended", sa.Integer(), server_default="0", nullable=False))
    _allow_text_kinds((*TEXT_KINDS, "account"))
    op.create_table(
        "second_step_reset",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("reason", _words("lossreason", *REASONS), nullable=False),
        sa.Column("proof_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("asked_by_id", sa.Integer(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", _words("resetstate", *STATES), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by_id", sa.Integer(), nullable=True),
        _of_staff("staff_id", ondelete="CASCADE"),
        _of_staff("asked_by_id"),
        _of_staff("ended_by_id"),
        sa.CheckConstraint(
            "(state = 'waiting') = (ended_at IS NULL)", name=op.f("ck_second_step_reset_end_set")
        ),
        sa.CheckConstraint(
            "state <> 'done' OR ended_by_id <> asked_by_id",
            name=op.f("ck_second_step_reset_two_people"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_second_step_reset")),
        sa.UniqueConstraint("uid", name=op.f("uq_second_step_reset_uid")),
    )
    op.create_index(op.f("ix_second_step_reset_staff_id"), "second_step_reset", ["staff_id"])
    op.create_index(
        "ix_second_step_reset_waiting", "second_step_reset", ["staff_id"], unique=True,
        sqlite_where=WAITING, postgresql_where=WAITING,
    )  # fmt: skip


def _words(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=24)


def _of_staff(column: str, ondelete: str | None = None) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_second_step_reset_{column}_staff")
    return sa.ForeignKeyConstraint([column], ["staff.id"], name=name, ondelete=ondelete)


def _allow_text_kinds(kinds: tuple[str, ...]) -> None:
    """Let ``kind`` be one of ``kinds``."""
    listed = "kind IN ({})".format(", ".join(f"'{kind}'" for kind in kinds))
    name = op.f("ck_outbox_message_textkind")
    with op.batch_alter_table("outbox_message") as table:
        table.drop_constraint(name, type_="check")
        table.create_check_constraint(name, listed)


def downgrade() -> None:
    op.drop_table("second_step_reset")
    op.execute(
        "DELETE FROM delivery_receipt WHERE message_id IN"
        " (SELECT id FROM outbox_message WHERE kind = 'account')"
    )
    op.execute("DELETE FROM outbox_message WHERE kind = 'account'")
    _allow_text_kinds(TEXT_KINDS)
    with op.batch_alter_table("staff") as table:
        table.drop_column("links_ended")
