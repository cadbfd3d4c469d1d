"""Note on a posting of the form that its link asked for it to be erased.

A case that a link opened counted as asked for by one of two people; now a colleague asks for it.
Such a case has nobody as who asked, so nothing is to be changed in it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

INDEX = "ix_submission_erasure_asked"


def upgrade() -> None:
    op.add_column(
        "submission", sa.Column("erasure_asked_at", sa.DateTime(timezone=True), nullable=True)
    )
    asked = sa.text("erasure_asked_at IS NOT NULL")
    op.create_index(
        INDEX, "submission", ["erasure_asked_at"], sqlite_where=asked, postgresql_where=asked
    )


def downgrade() -> None:
    op.drop_index(INDEX, "submission")
    with op.batch_alter_table("submission") as table:
        table.drop_column("erasure_asked_at")
