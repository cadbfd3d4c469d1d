"""Keep languages, skills and genders of staff, and requirements and gaps of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

LINE = ["applies_on", "weekdays", "starts", "ends", "from_on"]
GOES_ON = sa.text("until_on IS NULL")
IS_GENDER = sa.text("kind = 'gender'")


def upgrade() -> None:
    _create_skills()
    # SQL of its own: rewriting the table, as the batch does, is needed only for constraints.
    for table in ("cover_requirement", "cover_warning"):
        op.execute(f"ALTER TABLE {table} ADD COLUMN skill VARCHAR(60) DEFAULT '' NOT NULL")
    _index_requirements([*LINE, "skill"])


def downgrade() -> None:
    op.execute("DELETE FROM cover_requirement WHERE skill <> ''")
    op.execute("DELETE FROM cover_warning WHERE skill <> ''")
    _index_requirements(LINE)
    for table in ("cover_requirement", "cover_warning"):
        op.execute(f"ALTER TABLE {table} DROP COLUMN skill")
    op.drop_table("staff_skill")


def _create_skills() -> None:
    words = ("language", "skill", "gender")
    op.create_table(
        "staff_skill",
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(*words, name="skillkind", native_enum=False, create_constraint=True, length=24),
            nullable=False,
        ),
        sa.Column("value", sa.String(length=40), nullable=False),
        sa.CheckConstraint(
            "kind <> 'gender' OR value IN ('woman', 'man')",
            name=op.f("ck_staff_skill_known_gender"),
        ),
        sa.CheckConstraint("value <> ''", name=op.f("ck_staff_skill_value_given")),
        sa.ForeignKeyConstraint(
            ["staff_id"],
            ["staff.id"],
            name=op.f("fk_staff_skill_staff_id_staff"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("staff_id", "kind", "value", name=op.f("pk_staff_skill")),
    )
    op.create_index("ix_staff_skill_kind_value", "staff_skill", ["kind", "value"])
    op.create_index(
        "uq_staff_skill_gender",
        "staff_skill",
        ["staff_id"],
        unique=True,
        sqlite_where=IS_GENDER,
        postgresql_where=IS_GENDER,
    )


def _index_requirements(columns: list[str]) -> None:
    op.drop_index("uq_cover_requirement_line", "cover_requirement")
    op.create_index(
        "uq_cover_requirement_line",
        "cover_requirement",
        columns,
        unique=True,
        sqlite_where=GOES_ON,
        postgresql_where=GOES_ON,
    )
