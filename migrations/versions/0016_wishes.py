"""Keep what callers wish for, what is urgent, and which request a follow-up came from.

Expand only: each column may be empty, or says what held for every request before.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

#: Column of callback_request -> table it points to.
POINTS_TO = {"wish_counsellor_id": "staff", "follows_id": "callback_request"}
FLAGS = {"callback_request": "is_urgent", "submission": "wishes_same_counsellor"}


def upgrade() -> None:
    for table, flag in FLAGS.items():
        with op.batch_alter_table(table) as batch:
            batch.add_column(sa.Column("wish_language", sa.String(length=35), nullable=True))
            batch.add_column(sa.Column("wish_gender", _gender(), nullable=True))
            batch.add_column(
                sa.Column(flag, sa.Boolean(), server_default=sa.false(), nullable=False)
            )
            for name, target in POINTS_TO.items() if table == "callback_request" else ():
                batch.add_column(sa.Column(name, sa.Integer(), nullable=True))
                batch.create_foreign_key(_key(name, target), target, [name], ["id"])


def downgrade() -> None:
    for table, flag in FLAGS.items():
        with op.batch_alter_table(table) as batch:
            batch.drop_constraint(op.f(f"ck_{table}_gender"), type_="check")
            for name, target in POINTS_TO.items() if table == "callback_request" else ():
                batch.drop_constraint(_key(name, target), type_="foreignkey")
                batch.drop_column(name)
            for name in (flag, "wish_gender", "wish_language"):
                batch.drop_column(name)


def _gender() -> sa.Enum:
    kind: dict[str, Any] = {"native_enum": False, "create_constraint": True, "length": 24}
    return sa.Enum("woman", "man", name="gender", **kind)


def _key(name: str, target: str) -> str:
    return op.f(f"fk_callback_request_{name}_{target}")
