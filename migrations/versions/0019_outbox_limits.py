"""Let texts be claimed by urgency, counted against limits, and stopped while Twilio is down."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

QUEUED = sa.text("state = 'queued'")
SENDING = sa.text("state = 'sending'")
DUE = sa.text("state IN ('queued', 'sending')")


def upgrade() -> None:
    op.create_table(
        "text_gate",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pause_seconds", sa.Double(), nullable=False),
        sa.Column("tokens", sa.Double(), nullable=False),
        sa.Column("tokens_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("spent_on", sa.Date(), nullable=True),
        sa.Column("spent", sa.Integer(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_text_gate_only_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_text_gate")),
    )
    with op.batch_alter_table("outbox_message") as table:
        table.add_column(sa.Column("urgency", sa.Integer(), server_default="1", nullable=False))
        table.add_column(sa.Column("segments", sa.Integer(), server_default="1", nullable=False))
        table.add_column(
            sa.Column("in_doubt", sa.Boolean(), server_default=sa.false(), nullable=False)
        )
        table.add_column(sa.Column("to_index", sa.LargeBinary(length=16), nullable=True))
        table.add_column(sa.Column("network_index", sa.LargeBinary(length=16), nullable=True))
        table.drop_index("ix_outbox_message_due")
    op.execute(
        "UPDATE outbox_message SET urgency = 0 WHERE kind IN ('escalation', 'offer', 'audit')"
    )
    op.execute("UPDATE outbox_message SET urgency = 2 WHERE kind = 'confirmation'")
    _add_indexes()
    if op.get_bind().dialect.name == "postgresql":
        _tell_senders_at_commit()


def _add_indexes() -> None:
    op.create_index(
        "ix_outbox_message_queue", "outbox_message", ["urgency", "send_after", "id"],
        sqlite_where=QUEUED, postgresql_where=QUEUED,
    )  # fmt: skip
    op.create_index(
        "ix_outbox_message_leases", "outbox_message", ["lease_until"],
        sqlite_where=SENDING, postgresql_where=SENDING,
    )  # fmt: skip
    for column in ("to_index", "network_index"):
        known = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"ix_outbox_message_{column}", "outbox_message", [column, "created_at"],
            sqlite_where=known, postgresql_where=known,
        )  # fmt: skip


def _tell_senders_at_commit() -> None:
    """Every statement that adds texts wakes whoever listens, once its transaction commits."""
    op.execute(
        "CREATE FUNCTION tell_text_senders() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN PERFORM pg_notify('texts', ''); RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER tell_text_senders AFTER INSERT ON outbox_message"
        " FOR EACH STATEMENT EXECUTE FUNCTION tell_text_senders()"
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER tell_text_senders ON outbox_message")
        op.execute("DROP FUNCTION tell_text_senders()")
    with op.batch_alter_table("outbox_message") as table:
        for name in ("queue", "leases", "to_index", "network_index"):
            table.drop_index(f"ix_outbox_message_{name}")
        for name in ("urgency", "segments", "in_doubt", "to_index", "network_index"):
            table.drop_column(name)
    op.create_index(
        "ix_outbox_message_due", "outbox_message", ["send_after"],
        sqlite_where=DUE, postgresql_where=DUE,
    )  # fmt: skip
    op.drop_table("text_gate")
