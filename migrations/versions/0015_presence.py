"""Create presence; keep why a request was let go; allow texts about offers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

OPEN = sa.text("ended_at IS NULL")
TEXT_KINDS = ("confirmation", "missed", "closing", "escalation", "gap", "absence", "audit")
ENDINGS = ("accepted", "lapsed", "released", "superseded")


def upgrade() -> None:
    _create_presence()
    with op.batch_alter_table("staff") as table:
        table.add_column(
            sa.Column("texts_offers", sa.Boolean(), nullable=False, server_default=sa.false())
        )
    _allow("offer", "ending", "offerending", (*ENDINGS, "declined"))
    _add_reasons()
    with op.batch_alter_table("outbox_message") as table:
        table.add_column(sa.Column("offer_id", sa.Integer(), nullable=True))
        table.create_foreign_key(
            op.f("fk_outbox_message_offer_id_offer"), "offer", ["offer_id"], ["id"]
        )
    _allow("outbox_message", "kind", "textkind", (*TEXT_KINDS, "offer"))


def _create_presence() -> None:
    op.create_table(
        "presence",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("kind", _words("presencekind", "wrap_up", "break", "signed_off"), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_extended", sa.Boolean(), nullable=False),
        sa.CheckConstraint("since < until", name=op.f("ck_presence_span_in_order")),
        sa.CheckConstraint(
            "ended_at >= since AND ended_at <= until", name=op.f("ck_presence_ends_inside")
        ),
        sa.CheckConstraint(
            "NOT is_extended OR kind = 'wrap_up'", name=op.f("ck_presence_extended_wrap_up")
        ),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_presence_staff_id_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_presence")),
    )
    op.create_index(op.f("ix_presence_staff_id"), "presence", ["staff_id"])
    op.create_index(
        "uq_presence_open",
        "presence",
        ["staff_id"],
        unique=True,
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )


def _add_reasons() -> None:
    reasons = _words("letgo", "knows_caller", "not_now", "needs_skill", "other")
    with op.batch_alter_table("offer") as table:
        table.add_column(sa.Column("reason", reasons, nullable=True))
        table.add_column(sa.Column("words_sealed", sa.LargeBinary(), nullable=True))
        table.create_check_constraint(
            op.f("ck_offer_reason_given"), "reason IS NULL OR ending IN ('released', 'declined')"
        )
        table.create_check_constraint(
            op.f("ck_offer_words_of_other"), "words_sealed IS NULL OR reason = 'other'"
        )


def _words(name: str, *allowed: str) -> sa.Enum:
    """A column of one of the words ``allowed``."""
    return sa.Enum(*allowed, name=name, native_enum=False, create_constraint=True, length=24)


def _allow(table_name: str, column: str, check: str, allowed: tuple[str, ...]) -> None:
    """Let ``column`` be one of ``allowed``."""
    listed = "{} IN ({})".format(column, ", ".join(f"'{word}'" for word in allowed))
    name = op.f(f"ck_{table_name}_{check}")
    with op.batch_alter_table(table_name) as table:
        table.drop_constraint(name, type_="check")
        table.create_check_constraint(name, listed)


def downgrade() -> None:
    op.execute(
        "DELETE FROM delivery_receipt"
        " WHERE message_id IN (SELECT id FROM outbox_message WHERE kind = 'offer')"
    )
    op.execute("DELETE FROM outbox_message WHERE kind = 'offer'")
    _allow("outbox_message", "kind", "textkind", TEXT_KINDS)
    with op.batch_alter_table("outbox_message") as table:
        table.drop_constraint(op.f("fk_outbox_message_offer_id_offer"), type_="foreignkey")
        table.drop_column("offer_id")
    with op.batch_alter_table("offer") as table:
        table.drop_constraint(op.f("ck_offer_words_of_other"), type_="check")
        table.drop_constraint(op.f("ck_offer_reason_given"), type_="check")
        table.drop_constraint(op.f("ck_offer_letgo"), type_="check")
        table.drop_column("words_sealed")
        table.drop_column("reason")
    op.execute("UPDATE offer SET ending = 'released' WHERE ending = 'declined'")
    _allow("offer", "ending", "offerending", ENDINGS)
    with op.batch_alter_table("staff") as table:
        table.drop_column("texts_offers")
    op.drop_table("presence")
