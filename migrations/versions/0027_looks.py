"""Looks with a reason and a budget, and the role of the safeguarding lead.

Expand only. Down disables the accounts of safeguarding leads: the older code knows no such role.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

ROLES_BEFORE = "counsellor", "manager", "administrator"
ROLES = "counsellor", "manager", "safeguarding_lead", "administrator"
REASONS = "stepping_in", "at_risk", "complaint", "data_request", "wrong_data", "other"


def upgrade() -> None:
    _let_roles_be(ROLES)
    op.create_table(
        "look",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("request_id", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("reason", _words("reason", *REASONS), nullable=False),
        sa.Column("words_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("on_day", sa.Date(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("is_beyond", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        _key("look", "request_id", "callback_request"),
        _key("look", "staff_id", "staff"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_look")),
        sa.UniqueConstraint("uid", name=op.f("uq_look_uid")),
        sa.UniqueConstraint(
            "staff_id", "on_day", "number", name=op.f("uq_look_staff_id_on_day_number")
        ),
    )
    op.create_index("ix_look_request_id_staff_id", "look", ["request_id", "staff_id"])
    op.create_table(
        "look_allowance",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("on_day", sa.Date(), nullable=False),
        sa.Column("allowed_by_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "staff_id != allowed_by_id", name=op.f("ck_look_allowance_by_a_colleague")
        ),
        _key("look_allowance", "staff_id", "staff"),
        _key("look_allowance", "allowed_by_id", "staff"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_look_allowance")),
    )
    op.create_index("ix_look_allowance_staff_id_on_day", "look_allowance", ["staff_id", "on_day"])


def _let_roles_be(roles: tuple[str, ...]) -> None:
    allowed = ", ".join(f"'{role}'" for role in roles)
    with op.batch_alter_table("staff") as table:
        table.drop_constraint(op.f("ck_staff_role"), type_="check")
        table.create_check_constraint(op.f("ck_staff_role"), f"role IN ({allowed})")


def _words(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=24)


def _key(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{target}")
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name)


def downgrade() -> None:
    op.drop_table("look_allowance")
    op.drop_table("look")
    op.execute(
        "UPDATE staff SET role = 'counsellor', is_active = false WHERE role = 'safeguarding_lead'"
    )
    _let_roles_be(ROLES_BEFORE)
