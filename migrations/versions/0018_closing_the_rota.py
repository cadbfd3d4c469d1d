"""Keep what was allowed of rest when it is taken back and which event was read; texts to staff."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TEXT_KINDS = ("confirmation", "missed", "closing", "escalation", "gap", "absence", "audit", "offer")
NEW_KINDS = ("swap_offered", "swap_taken", "swap_decided", "leave_decided")


def upgrade() -> None:
    with op.batch_alter_table("rest_allowance") as table:
        table.add_column(sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("rota_change") as table:
        table.add_column(sa.Column("imported_uid", sa.String(length=64), nullable=True))
        table.create_index(op.f("ix_rota_change_imported_uid"), ["imported_uid"])
    with op.batch_alter_table("shift_pattern") as table:
        table.add_column(sa.Column("imported_uid", sa.String(length=64), nullable=True))
    _allow_text_kinds((*TEXT_KINDS, *NEW_KINDS))


def _allow_text_kinds(kinds: tuple[str, ...]) -> None:
    """Let ``kind`` be one of ``kinds``."""
    listed = "kind IN ({})".format(", ".join(f"'{kind}'" for kind in kinds))
    name = op.f("ck_outbox_message_textkind")
    with op.batch_alter_table("outbox_message") as table:
        table.drop_constraint(name, type_="check")
        table.create_check_constraint(name, listed)


def downgrade() -> None:
    op.execute(
        "DELETE FROM delivery_receipt WHERE message_id IN (SELECT id FROM outbox_message"
        " WHERE kind LIKE 'swap_%' OR kind = 'leave_decided')"
    )
    op.execute("DELETE FROM outbox_message WHERE kind LIKE 'swap_%' OR kind = 'leave_decided'")
    _allow_text_kinds(TEXT_KINDS)
    with op.batch_alter_table("shift_pattern") as table:
        table.drop_column("imported_uid")
    with op.batch_alter_table("rota_change") as table:
        table.drop_index(op.f("ix_rota_change_imported_uid"))
        table.drop_column("imported_uid")
    op.execute("DELETE FROM rest_allowance WHERE cancelled_at IS NOT NULL")
    with op.batch_alter_table("rest_allowance") as table:
        table.drop_column("cancelled_at")
