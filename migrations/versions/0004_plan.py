"""Create the plan and the calls for a new one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "plan_entry",
        sa.Column("request_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("counsellor_id", sa.Integer(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("planned_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["counsellor_id"], ["staff.id"], name=op.f("fk_plan_entry_counsellor_id_staff")
        ),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["callback_request.id"],
            name=op.f("fk_plan_entry_request_id_callback_request"),
        ),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_plan_entry")),
    )
    op.create_index(
        op.f("ix_plan_entry_counsellor_id"), "plan_entry", ["counsellor_id"], unique=False
    )
    op.create_table(
        "plan_trigger",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=24), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_trigger")),
    )


def downgrade() -> None:
    op.drop_table("plan_trigger")
    op.drop_table("plan_entry")
