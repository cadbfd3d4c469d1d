"""Keep what was allowed of rest when it is taken back, and the event that was read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("rest_allowance") as table:
        table.add_column(sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("rota_change") as table:
        table.add_column(sa.Column("imported_uid", sa.String(length=64), nullable=True))
        table.create_index(op.f("ix_rota_change_imported_uid"), ["imported_uid"])
    with op.batch_alter_table("shift_pattern") as table:
        table.add_column(sa.Column("imported_uid", sa.String(length=64), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("shift_pattern") as table:
        table.drop_column("imported_uid")
    with op.batch_alter_table("rota_change") as table:
        table.drop_index(op.f("ix_rota_change_imported_uid"))
        table.drop_column("imported_uid")
    op.execute("DELETE FROM rest_allowance WHERE cancelled_at IS NOT NULL")
    with op.batch_alter_table("rest_allowance") as table:
        table.drop_column("cancelled_at")
