"""Create swaps, what staff say of their own time, and notices of sudden absences."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

OPEN = sa.text("state IN ('offered', 'taken')")
UNSEEN = sa.text("seen_at IS NULL")
TEXT_KINDS = ("confirmation", "missed", "closing", "escalation", "gap")

SWAP_CHECKS = {
    "span_in_order": "ends_at > starts_at",
    "wanted_whole": "(wanted_starts_at IS NULL) = (wanted_ends_at IS NULL)",
    "wanted_in_order": "wanted_ends_at > wanted_starts_at",
    "wanted_of_somebody": "wanted_starts_at IS NULL OR to_id IS NOT NULL",
    "to_another": "to_id != offered_by_id",
    "taken_by_another": "taken_by_id != offered_by_id",
    "taking_whole": "(taken_by_id IS NULL) = (taken_at IS NULL)",
    "taker_set": "(state = 'offered' AND taken_by_id IS NULL)"
    " OR (state IN ('taken', 'approved', 'declined', 'undone') AND taken_by_id IS NOT NULL)"
    " OR state IN ('withdrawn', 'lapsed')",
    "reason_set": "state NOT IN ('declined', 'lapsed') OR reason IS NOT NULL",
}
LEAVE_CHECKS = {
    "dates_in_order": "until_on >= from_on",
    "kind_asked": "kind != 'sick'",
    "end_set": "(state = 'asked') = (ended_at IS NULL)",
    "change_set": "(state = 'granted') = (change_id IS NOT NULL)",
    "reason_set": "(state = 'declined') = (reason IS NOT NULL)",
}


def upgrade() -> None:
    _create_swaps()
    with op.batch_alter_table("rota_change") as table:
        table.add_column(sa.Column("swap_id", sa.Integer(), nullable=True))
        table.create_foreign_key(op.f("fk_rota_change_swap_id_swap"), "swap", ["swap_id"], ["id"])
        table.create_index(op.f("ix_rota_change_swap_id"), ["swap_id"])
    _create_unavailability()
    _create_leave_requests()
    _create_notices()
    _allow_text_kinds((*TEXT_KINDS, "absence"))


def _create_swaps() -> None:
    states = "offered", "taken", "approved", "declined", "withdrawn", "undone", "lapsed"
    op.create_table(
        "swap",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("state", _words("swapstate", *states), nullable=False),
        sa.Column("duty", _words("duty", "counselling", "duty_lead"), nullable=False),
        sa.Column("offered_by_id", sa.Integer(), nullable=False),
        _instant("starts_at"),
        _instant("ends_at"),
        sa.Column("to_id", sa.Integer(), nullable=True),
        _instant("wanted_starts_at", nullable=True),
        _instant("wanted_ends_at", nullable=True),
        _instant("begins_at"),
        sa.Column("taken_by_id", sa.Integer(), nullable=True),
        _instant("taken_at", nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=True),
        sa.Column("created_by_id", sa.Integer(), nullable=False),
        _instant("created_at"),
        _instant("ended_at", nullable=True),
        *_checks("swap", SWAP_CHECKS),
        *_to_staff("swap", "offered_by_id", "to_id", "taken_by_id", "created_by_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_swap")),
    )
    op.create_index(op.f("ix_swap_offered_by_id"), "swap", ["offered_by_id"])
    op.create_index("ix_swap_begins_at", "swap", ["begins_at"])
    op.create_index(
        "uq_swap_open_shift",
        "swap",
        ["offered_by_id", "duty", "starts_at"],
        unique=True,
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )


def _create_unavailability() -> None:
    checks = {
        "weekdays_mask": "weekdays BETWEEN 1 AND 127",
        "dates_in_order": "until_on IS NULL OR until_on >= from_on",
    }
    op.create_table(
        "unavailability",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("weekdays", sa.Integer(), nullable=False),
        sa.Column("starts", sa.Time(), nullable=False),
        sa.Column("ends", sa.Time(), nullable=False),
        sa.Column("from_on", sa.Date(), nullable=False),
        sa.Column("until_on", sa.Date(), nullable=True),
        sa.Column("created_by_id", sa.Integer(), nullable=False),
        _instant("created_at"),
        *_checks("unavailability", checks),
        *_to_staff("unavailability", "staff_id", "created_by_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unavailability")),
    )
    op.create_index(op.f("ix_unavailability_staff_id"), "unavailability", ["staff_id"])


def _create_leave_requests() -> None:
    states = "asked", "granted", "declined", "withdrawn"
    op.create_table(
        "leave_request",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("state", _words("leavestate", *states), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column(
            "kind", _words("leavereason", "annual", "sick", "training", "other"), nullable=False
        ),
        sa.Column("from_on", sa.Date(), nullable=False),
        sa.Column("until_on", sa.Date(), nullable=False),
        _instant("asked_at"),
        sa.Column("ended_by_id", sa.Integer(), nullable=True),
        _instant("ended_at", nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=True),
        sa.Column("change_id", sa.Integer(), nullable=True),
        *_checks("leave_request", LEAVE_CHECKS),
        *_to_staff("leave_request", "staff_id", "ended_by_id"),
        sa.ForeignKeyConstraint(
            ["change_id"],
            ["rota_change.id"],
            name=op.f("fk_leave_request_change_id_rota_change"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leave_request")),
    )
    op.create_index("ix_leave_request_staff_id", "leave_request", ["staff_id"])


def _create_notices() -> None:
    op.create_table(
        "rota_notice",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("change_id", sa.Integer(), nullable=False),
        _instant("since"),
        _instant("until"),
        sa.Column("shifts", sa.JSON(), nullable=False),
        sa.Column("request_id", sa.Integer(), nullable=True),
        _instant("told_at"),
        _instant("seen_at", nullable=True),
        sa.Column("seen_by_id", sa.Integer(), nullable=True),
        *_checks("rota_notice", {"seen_whole": "(seen_at IS NULL) = (seen_by_id IS NULL)"}),
        *_to_staff("rota_notice", "seen_by_id"),
        sa.ForeignKeyConstraint(
            ["change_id"], ["rota_change.id"], name=op.f("fk_rota_notice_change_id_rota_change")
        ),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["callback_request.id"],
            name=op.f("fk_rota_notice_request_id_callback_request"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rota_notice")),
        sa.UniqueConstraint("change_id", name=op.f("uq_rota_notice_change_id")),
    )
    op.create_index(
        "ix_rota_notice_unseen",
        "rota_notice",
        ["id"],
        sqlite_where=UNSEEN,
        postgresql_where=UNSEEN,
    )


def _instant(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _words(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=24)


def _checks(table: str, rules: dict[str, str]) -> list[sa.CheckConstraint]:
    return [
        sa.CheckConstraint(rule, name=op.f(f"ck_{table}_{name}")) for name, rule in rules.items()
    ]


def _to_staff(table: str, *columns: str) -> list[sa.ForeignKeyConstraint]:
    return [
        sa.ForeignKeyConstraint([name], ["staff.id"], name=op.f(f"fk_{table}_{name}_staff"))
        for name in columns
    ]


def _allow_text_kinds(kinds: tuple[str, ...]) -> None:
    """Let ``kind`` be one of ``kinds``."""
    listed = "kind IN ({})".format(", ".join(f"'{kind}'" for kind in kinds))
    name = op.f("ck_outbox_message_textkind")
    with op.batch_alter_table("outbox_message") as table:
        table.drop_constraint(name, type_="check")
        table.create_check_constraint(name, listed)


def downgrade() -> None:
    op.execute(
        "DELETE FROM delivery_receipt"
        " WHERE message_id IN (SELECT id FROM outbox_message WHERE kind = 'absence')"
    )
    op.execute("DELETE FROM outbox_message WHERE kind = 'absence'")
    _allow_text_kinds(TEXT_KINDS)
    for name in ("rota_notice", "leave_request", "unavailability"):
        op.drop_table(name)
    with op.batch_alter_table("rota_change") as table:
        table.drop_index(op.f("ix_rota_change_swap_id"))
        table.drop_constraint(op.f("fk_rota_change_swap_id_swap"), type_="foreignkey")
        table.drop_column("swap_id")
    op.drop_table("swap")
