"""Decoys, who opened one, and until when a form waits for a person to look at it.

Expand only: nothing reads these before the release that writes them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

UNTOLD = sa.text("told_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "decoy",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("request_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("planted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(request_sealed IS NULL) = (ended_at IS NOT NULL)", name=op.f("ck_decoy_end_whole")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decoy")),
        sa.UniqueConstraint("uid", name=op.f("uq_decoy_uid")),
    )
    op.create_table(
        "decoy_opening",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("decoy_id", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("action", sa.String(length=48), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_by_id", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "(seen_at IS NULL) = (seen_by_id IS NULL)", name=op.f("ck_decoy_opening_seen_whole")
        ),
        sa.ForeignKeyConstraint(
            ["decoy_id"], ["decoy.id"], name=op.f("fk_decoy_opening_decoy_id_decoy")
        ),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_decoy_opening_staff_id_staff")
        ),
        sa.ForeignKeyConstraint(
            ["seen_by_id"], ["staff.id"], name=op.f("fk_decoy_opening_seen_by_id_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decoy_opening")),
    )
    op.create_index(
        "ix_decoy_opening_untold",
        "decoy_opening",
        ["id"],
        sqlite_where=UNTOLD,
        postgresql_where=UNTOLD,
    )
    op.add_column("form_post", sa.Column("held_until", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("form_post") as table:
        table.drop_column("held_until")
    op.drop_table("decoy_opening")
    op.drop_table("decoy")
