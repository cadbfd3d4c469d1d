"""More kinds of texts, texts that come in, numbers that take none, and what line a number is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

TEXT_KINDS = (
    "confirmation", "missed", "closing", "escalation", "gap", "absence", "audit", "offer",
    "swap_offered", "swap_taken", "swap_decided", "leave_decided",
)  # fmt: skip
NEW_KINDS = ("change", "reminder", "auto_reply")


def _words(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=24)


def upgrade() -> None:
    with op.batch_alter_table("callback_request") as table:
        table.add_column(sa.Column("agreed_from", sa.DateTime(timezone=True), nullable=True))
    _allow_text_kinds((*TEXT_KINDS, *NEW_KINDS))
    _create_suppression()
    _create_line_lookup()
    _create_inbound_text()


def _create_suppression() -> None:
    op.create_table(
        "suppression",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("phone_index", sa.LargeBinary(length=16), nullable=False),
        sa.Column("said_by", _words("saidby", "text", "gateway", "manager"), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppression")),
        sa.UniqueConstraint("phone_index", name=op.f("uq_suppression_phone_index")),
    )


def _create_line_lookup() -> None:
    op.create_table(
        "line_lookup",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("phone_index", sa.LargeBinary(length=16), nullable=False),
        sa.Column("kind", _words("linekind", "mobile", "landline"), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_line_lookup")),
        sa.UniqueConstraint("phone_index", name=op.f("uq_line_lookup_phone_index")),
    )


def _create_inbound_text() -> None:
    op.create_table(
        "inbound_text",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("provider_sid", sa.String(length=64), nullable=False),
        sa.Column("kind", _words("inboundkind", "stop", "start", "help", "words"), nullable=False),
        sa.Column("phone_index", sa.LargeBinary(length=16), nullable=True),
        sa.Column("request_id", sa.Integer(), nullable=True),
        sa.Column("answers_id", sa.Integer(), nullable=True),
        sa.Column("body_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "body_sealed IS NULL OR request_id IS NOT NULL",
            name=op.f("ck_inbound_text_body_of_known"),
        ),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["callback_request.id"],
            name=op.f("fk_inbound_text_request_id_callback_request"),
        ),
        sa.ForeignKeyConstraint(
            ["answers_id"],
            ["outbox_message.id"],
            name=op.f("fk_inbound_text_answers_id_outbox_message"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound_text")),
        sa.UniqueConstraint("uid", name=op.f("uq_inbound_text_uid")),
        sa.UniqueConstraint("provider_sid", name=op.f("uq_inbound_text_provider_sid")),
    )
    op.create_index(op.f("ix_inbound_text_phone_index"), "inbound_text", ["phone_index"])
    op.create_index(op.f("ix_inbound_text_request_id"), "inbound_text", ["request_id"])


def _allow_text_kinds(kinds: tuple[str, ...]) -> None:
    """Let ``kind`` be one of ``kinds``."""
    listed = "kind IN ({})".format(", ".join(f"'{kind}'" for kind in kinds))
    name = op.f("ck_outbox_message_textkind")
    with op.batch_alter_table("outbox_message") as table:
        table.drop_constraint(name, type_="check")
        table.create_check_constraint(name, listed)


def downgrade() -> None:
    for name in ("inbound_text", "line_lookup", "suppression"):
        op.drop_table(name)
    new = ", ".join(f"'{kind}'" for kind in NEW_KINDS)
    op.execute(
        "DELETE FROM delivery_receipt WHERE message_id IN"  # noqa: S608 - words of this file
        f" (SELECT id FROM outbox_message WHERE kind IN ({new}))"
    )
    op.execute(f"DELETE FROM outbox_message WHERE kind IN ({new})")  # noqa: S608 - as above
    _allow_text_kinds(TEXT_KINDS)
    with op.batch_alter_table("callback_request") as table:
        table.drop_column("agreed_from")
