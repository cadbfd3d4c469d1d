"""Keep what each quote foresaw, so that quotes are learned from how they turn out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

CHECK = "ck_contact_window_forecast_whole"


def upgrade() -> None:
    with op.batch_alter_table("contact_window") as table:
        table.add_column(sa.Column("foreseen_seconds", sa.Integer(), nullable=True))
        table.add_column(sa.Column("foreseen_sd_seconds", sa.Integer(), nullable=True))
        table.create_check_constraint(
            op.f(CHECK), "(foreseen_seconds IS NULL) = (foreseen_sd_seconds IS NULL)"
        )


def downgrade() -> None:
    with op.batch_alter_table("contact_window") as table:
        table.drop_constraint(op.f(CHECK), type_="check")
        table.drop_column("foreseen_sd_seconds")
        table.drop_column("foreseen_seconds")
