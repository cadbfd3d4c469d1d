"""Posts of the public form by network, and those that wait while there are too many.

Expand only: nothing reads the table before the release that writes it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

WAITS = sa.text("ask_sealed IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "form_post",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("key_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("network_index", sa.LargeBinary(length=16), nullable=False),
        sa.Column("phone_index", sa.LargeBinary(length=16), nullable=True),
        sa.Column("ask_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("let_in_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_form_post")),
        sa.UniqueConstraint("uid", name=op.f("uq_form_post_uid")),
        sa.UniqueConstraint("key_digest", name=op.f("uq_form_post_key_digest")),
    )
    op.create_index(op.f("ix_form_post_posted_at"), "form_post", ["posted_at"])
    op.create_index(op.f("ix_form_post_let_in_at"), "form_post", ["let_in_at"])
    op.create_index(
        "ix_form_post_waiting",
        "form_post",
        ["network_index"],
        sqlite_where=WAITS,
        postgresql_where=WAITS,
    )


def downgrade() -> None:
    op.drop_table("form_post")
