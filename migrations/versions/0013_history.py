"""Create the revisions of the rota: who changed what, from what to what."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rota_revision",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Integer(), nullable=True),
        sa.Column("action", sa.String(length=48), nullable=False),
        sa.Column("undoes_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["staff.id"], name=op.f("fk_rota_revision_actor_id_staff")
        ),
        sa.ForeignKeyConstraint(
            ["undoes_id"],
            ["rota_revision.id"],
            name=op.f("fk_rota_revision_undoes_id_rota_revision"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rota_revision")),
    )
    _create_rows()
    op.create_table(
        "rota_revision_subject",
        sa.Column("subject", sa.String(length=48), nullable=False),
        sa.Column("revision_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["revision_id"],
            ["rota_revision.id"],
            name=op.f("fk_rota_revision_subject_revision_id_rota_revision"),
        ),
        sa.PrimaryKeyConstraint("subject", "revision_id", name=op.f("pk_rota_revision_subject")),
    )


def _create_rows() -> None:
    op.create_table(
        "rota_revision_row",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("revision_id", sa.Integer(), nullable=False),
        sa.Column("table_name", sa.String(length=32), nullable=False),
        sa.Column("row_id", sa.Integer(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("after", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["revision_id"],
            ["rota_revision.id"],
            name=op.f("fk_rota_revision_row_revision_id_rota_revision"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rota_revision_row")),
    )
    op.create_index(op.f("ix_rota_revision_row_revision_id"), "rota_revision_row", ["revision_id"])
    op.create_index("ix_rota_revision_row_place", "rota_revision_row", ["table_name", "row_id"])


def downgrade() -> None:
    op.drop_table("rota_revision_subject")
    op.drop_table("rota_revision_row")
    op.drop_table("rota_revision")
