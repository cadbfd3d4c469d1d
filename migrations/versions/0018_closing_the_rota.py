"""Keep what was allowed of rest when it is taken back."""

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


def downgrade() -> None:
    op.execute("DELETE FROM rest_allowance WHERE cancelled_at IS NOT NULL")
    with op.batch_alter_table("rest_allowance") as table:
        table.drop_column("cancelled_at")
