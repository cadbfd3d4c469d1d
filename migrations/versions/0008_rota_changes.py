"""Create the changes of the rota for given dates.

No two changes may speak for one person at the same time. PostgreSQL holds that by an exclusion
constraint; the person's id goes in as a range of one, so that no extension is needed. SQLite has
one writer, so a trigger that looks before each write is as good.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

EXCLUSION = """
    ALTER TABLE rota_change_span ADD CONSTRAINT ex_rota_change_span_person EXCLUDE USING gist (
        int4range(staff_id, staff_id, '[]') WITH &&,
        tstzrange(starts_at, ends_at, '[)') WITH &&
    )
"""

TRIGGER = """
    CREATE TRIGGER ex_rota_change_span_person_%(event)s BEFORE %(event)s ON rota_change_span
    WHEN EXISTS (
        SELECT 1 FROM rota_change_span AS other
        WHERE other.staff_id = NEW.staff_id AND other.id IS NOT NEW.id
            AND other.starts_at < NEW.ends_at AND other.ends_at > NEW.starts_at
    )
    BEGIN
        SELECT RAISE(ABORT, 'ex_rota_change_span_person');
    END
"""


def upgrade() -> None:
    op.create_table(
        "rota_change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column(
            "kind",
            _words("changekind", "add", "remove", "replace", "leave", "open"),
            nullable=False,
        ),
        sa.Column("duty", _words("duty", "counselling", "duty_lead"), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=True),
        sa.Column("by_id", sa.Integer(), nullable=True),
        sa.Column(
            "reason", _words("leavereason", "annual", "sick", "training", "other"), nullable=True
        ),
        sa.Column("created_by_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_by_id", sa.Integer(), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_rota_change_span_in_order")),
        sa.CheckConstraint(
            "(kind = 'leave') = (duty IS NULL)", name=op.f("ck_rota_change_duty_set")
        ),
        sa.CheckConstraint(
            "(kind = 'leave') = (reason IS NOT NULL)", name=op.f("ck_rota_change_reason_set")
        ),
        sa.CheckConstraint(
            "(kind = 'replace') = (by_id IS NOT NULL)", name=op.f("ck_rota_change_stand_in_set")
        ),
        sa.CheckConstraint(
            "kind = 'open' OR staff_id IS NOT NULL", name=op.f("ck_rota_change_person_set")
        ),
        sa.CheckConstraint(
            "by_id IS NULL OR by_id != staff_id", name=op.f("ck_rota_change_two_people")
        ),
        *[
            sa.ForeignKeyConstraint([name], ["staff.id"], name=op.f(f"fk_rota_change_{name}_staff"))
            for name in ("staff_id", "by_id", "created_by_id", "cancelled_by_id")
        ],
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rota_change")),
    )
    op.create_index("ix_rota_change_ends_at", "rota_change", ["ends_at"])
    op.create_index(op.f("ix_rota_change_staff_id"), "rota_change", ["staff_id"])
    _create_spans()


def _create_spans() -> None:
    op.create_table(
        "rota_change_span",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("change_id", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_rota_change_span_span_in_order")),
        sa.ForeignKeyConstraint(
            ["change_id"],
            ["rota_change.id"],
            name=op.f("fk_rota_change_span_change_id_rota_change"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_rota_change_span_staff_id_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rota_change_span")),
    )
    op.create_index(op.f("ix_rota_change_span_change_id"), "rota_change_span", ["change_id"])
    op.create_index(op.f("ix_rota_change_span_staff_id"), "rota_change_span", ["staff_id"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute(EXCLUSION)
    else:
        for event in ("INSERT", "UPDATE"):
            op.execute(TRIGGER % {"event": event})


def _words(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=24)


def downgrade() -> None:
    op.drop_table("rota_change_span")  # and its triggers
    op.drop_table("rota_change")
