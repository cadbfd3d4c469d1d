"""Gaps that were told of, what was agreed about rest, and requirements for dates."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TEXT_KINDS = ("confirmation", "missed", "closing", "escalation")
REQUIREMENT_LINE = ["weekdays", "starts", "ends", "from_on"]


def upgrade() -> None:
    _create_warnings()
    _create_agreements()
    # One statement that both databases take: SQLite cannot add a CHECK afterwards.
    op.execute(
        "ALTER TABLE cover_requirement"
        " ADD COLUMN applies_on VARCHAR(24) DEFAULT 'weekdays' NOT NULL"
        " CONSTRAINT ck_cover_requirement_applieson"
        " CHECK (applies_on IN ('weekdays', 'bank_holidays', 'dates'))"
    )
    _index_requirements(["applies_on", *REQUIREMENT_LINE])
    _allow_text_kinds((*TEXT_KINDS, "gap"))


def downgrade() -> None:
    op.execute(
        "DELETE FROM delivery_receipt"
        " WHERE message_id IN (SELECT id FROM outbox_message WHERE kind = 'gap')"
    )
    op.execute("DELETE FROM outbox_message WHERE kind = 'gap'")
    _allow_text_kinds(TEXT_KINDS)
    op.execute("DELETE FROM cover_requirement WHERE applies_on <> 'weekdays'")
    _index_requirements(REQUIREMENT_LINE)
    op.execute("ALTER TABLE cover_requirement DROP COLUMN applies_on")
    op.drop_table("rest_allowance")
    op.drop_table("working_time_opt_out")
    op.drop_table("cover_look")
    op.drop_table("cover_warning")


def _index_requirements(columns: list[str]) -> None:
    op.drop_index("uq_cover_requirement_line", "cover_requirement")
    op.create_index(
        "uq_cover_requirement_line",
        "cover_requirement",
        columns,
        unique=True,
        sqlite_where=sa.text("until_on IS NULL"),
        postgresql_where=sa.text("until_on IS NULL"),
    )


def _allow_text_kinds(kinds: tuple[str, ...]) -> None:
    """Let ``kind`` be one of ``kinds``."""
    listed = "kind IN ({})".format(", ".join(f"'{kind}'" for kind in kinds))
    name = op.f("ck_outbox_message_textkind")
    with op.batch_alter_table("outbox_message") as table:
        table.drop_constraint(name, type_="check")
        table.create_check_constraint(name, listed)


def _create_warnings() -> None:
    op.create_table(
        "cover_warning",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("short", sa.Integer(), nullable=False),
        sa.Column("goes_on", sa.Boolean(), nullable=False),
        sa.Column("first_told_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_told_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("times_told", sa.Integer(), nullable=False),
        sa.Column("is_told_near", sa.Boolean(), nullable=False),
        sa.Column("muted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("muted_by_id", sa.Integer(), nullable=True),
        sa.Column("muted_reason", sa.String(length=200), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_cover_warning_times_in_order")),
        sa.CheckConstraint("short >= 1", name=op.f("ck_cover_warning_short_of_somebody")),
        sa.CheckConstraint(
            "(muted_at IS NULL) = (muted_reason IS NULL)",
            name=op.f("ck_cover_warning_mute_has_reason"),
        ),
        sa.ForeignKeyConstraint(
            ["muted_by_id"], ["staff.id"], name=op.f("fk_cover_warning_muted_by_id_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cover_warning")),
    )
    op.create_index(
        "ix_cover_warning_open",
        "cover_warning",
        ["starts_at"],
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "cover_look",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_audit_id", sa.Integer(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_cover_look_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cover_look")),
    )


def _create_agreements() -> None:
    op.create_table(
        "working_time_opt_out",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("agreed_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("recorded_by_id", sa.Integer(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "ends_on IS NULL OR ends_on >= agreed_on",
            name=op.f("ck_working_time_opt_out_dates_in_order"),
        ),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_working_time_opt_out_staff_id_staff")
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by_id"],
            ["staff.id"],
            name=op.f("fk_working_time_opt_out_recorded_by_id_staff"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_working_time_opt_out")),
    )
    op.create_index(
        "uq_working_time_opt_out_in_force",
        "working_time_opt_out",
        ["staff_id"],
        unique=True,
        sqlite_where=sa.text("ends_on IS NULL"),
        postgresql_where=sa.text("ends_on IS NULL"),
    )
    op.create_table(
        "rest_allowance",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column(
            "rule",
            sa.Enum(
                "daily_rest",
                "weekly_rest",
                "weekly_hours",
                "night_hours",
                name="rule",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("allowed_by_id", sa.Integer(), nullable=True),
        sa.Column("allowed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "ends_at IS NULL OR ends_at > starts_at", name=op.f("ck_rest_allowance_times_in_order")
        ),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_rest_allowance_staff_id_staff")
        ),
        sa.ForeignKeyConstraint(
            ["allowed_by_id"], ["staff.id"], name=op.f("fk_rest_allowance_allowed_by_id_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rest_allowance")),
    )
    op.create_index(
        "ix_rest_allowance_staff_id_rule", "rest_allowance", ["staff_id", "rule"], unique=False
    )
