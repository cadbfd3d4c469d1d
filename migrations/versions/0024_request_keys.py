"""A key for each request.

Expand only: what was sealed with a key of the service still opens; ``flask keys reencrypt`` gives
each request that has no key one of its own. The release before cannot open what requests' keys
have sealed: stop it before this one starts.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "request_key",
        sa.Column("request_uid", sa.String(length=32), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("request_uid", name=op.f("pk_request_key")),
    )


def downgrade() -> None:
    """Only for an empty installation: what requests' keys have sealed can be read no more."""
    op.drop_table("request_key")
