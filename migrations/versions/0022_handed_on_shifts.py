"""Keep which change a swap handed a shift on from, so that undoing it brings that back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

ORIGIN = "fk_rota_change_handed_on_from_id_rota_change"


def upgrade() -> None:
    with op.batch_alter_table("rota_change") as table:
        table.add_column(sa.Column("handed_on_from_id", sa.Integer(), nullable=True))
        table.create_foreign_key(op.f(ORIGIN), "rota_change", ["handed_on_from_id"], ["id"])


def downgrade() -> None:
    with op.batch_alter_table("rota_change") as table:
        table.drop_constraint(op.f(ORIGIN), type_="foreignkey")
        table.drop_column("handed_on_from_id")
