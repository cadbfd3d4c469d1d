"""Let a line of the rota recur in cycles, or be worked in turns."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

LINE = ["staff_id", "duty", "weekdays", "starts", "ends", "from_on"]
GOES_ON = sa.text("until_on IS NULL")
CHECKS = {
    "cycle_whole": "(cycle_days IS NULL) = (cycle_on_days IS NULL)",
    "cycle_range": "cycle_on_days BETWEEN 1 AND cycle_days",
    "person_or_turns": "(staff_id IS NULL) = (counted_in IS NOT NULL)",
}


def upgrade() -> None:
    op.drop_index("uq_shift_pattern_line", "shift_pattern")
    op.add_column("shift_pattern", sa.Column("cycle_from_on", sa.Date(), nullable=True))
    op.execute("UPDATE shift_pattern SET cycle_from_on = from_on")
    with op.batch_alter_table("shift_pattern") as table:
        table.alter_column("staff_id", existing_type=sa.Integer(), nullable=True)
        table.alter_column("cycle_from_on", existing_type=sa.Date(), nullable=False)
        table.add_column(sa.Column("cycle_days", sa.Integer(), nullable=True))
        table.add_column(sa.Column("cycle_on_days", sa.Integer(), nullable=True))
        table.add_column(sa.Column("counted_in", _words("countedin", "days", "shifts")))
        for name, rule in CHECKS.items():
            table.create_check_constraint(op.f(f"ck_shift_pattern_{name}"), rule)
    _index([*LINE, "cycle_from_on"])
    _create_turns()


def _create_turns() -> None:
    op.create_table(
        "shift_turn",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("pattern_id", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=True),
        sa.CheckConstraint("length >= 1", name=op.f("ck_shift_turn_length_range")),
        sa.ForeignKeyConstraint(
            ["pattern_id"],
            ["shift_pattern.id"],
            name=op.f("fk_shift_turn_pattern_id_shift_pattern"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_shift_turn_staff_id_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shift_turn")),
        sa.UniqueConstraint(
            "pattern_id", "place", "staff_id", name=op.f("uq_shift_turn_pattern_id_place_staff_id")
        ),
    )
    op.create_index(op.f("ix_shift_turn_pattern_id"), "shift_turn", ["pattern_id"])
    op.create_index(op.f("ix_shift_turn_staff_id"), "shift_turn", ["staff_id"])


def _words(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=24)


def _index(columns: list[str]) -> None:
    op.create_index(
        "uq_shift_pattern_line",
        "shift_pattern",
        columns,
        unique=True,
        sqlite_where=GOES_ON,
        postgresql_where=GOES_ON,
    )


def downgrade() -> None:
    op.drop_table("shift_turn")
    op.drop_index("uq_shift_pattern_line", "shift_pattern")
    op.execute("DELETE FROM shift_pattern WHERE staff_id IS NULL OR cycle_days IS NOT NULL")
    with op.batch_alter_table("shift_pattern") as table:
        for name in (*CHECKS, "countedin"):
            table.drop_constraint(op.f(f"ck_shift_pattern_{name}"), type_="check")
        for name in ("counted_in", "cycle_on_days", "cycle_days", "cycle_from_on"):
            table.drop_column(name)
        table.alter_column("staff_id", existing_type=sa.Integer(), nullable=False)
    _index(LINE)
