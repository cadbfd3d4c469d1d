"""Colleagues whom a manager keeps away from a caller.

Expand only: nothing reads the table before the release that writes it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

STANDS = sa.text("lifted_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "bar",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("barred_by_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_by_id", sa.Integer(), nullable=True),
        sa.CheckConstraint("staff_id != barred_by_id", name=op.f("ck_bar_by_a_colleague")),
        sa.CheckConstraint("staff_id != lifted_by_id", name=op.f("ck_bar_lifted_by_a_colleague")),
        sa.CheckConstraint(
            "(lifted_at IS NULL) = (lifted_by_id IS NULL)", name=op.f("ck_bar_lifted_whole")
        ),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["callback_request.id"],
            name=op.f("fk_bar_request_id_callback_request"),
        ),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_bar_staff_id_staff")),
        sa.ForeignKeyConstraint(
            ["barred_by_id"], ["staff.id"], name=op.f("fk_bar_barred_by_id_staff")
        ),
        sa.ForeignKeyConstraint(
            ["lifted_by_id"], ["staff.id"], name=op.f("fk_bar_lifted_by_id_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bar")),
    )
    op.create_index(op.f("ix_bar_staff_id"), "bar", ["staff_id"])
    op.create_index(
        "uq_bar_standing",
        "bar",
        ["request_id", "staff_id"],
        unique=True,
        sqlite_where=STANDS,
        postgresql_where=STANDS,
    )


def downgrade() -> None:
    op.drop_table("bar")
