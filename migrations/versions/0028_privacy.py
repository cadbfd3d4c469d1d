"""Holds, data requests, records to erase at the gateway, runs of erasing, figures.

Accounts that are disabled already count as disabled from now on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

ABOUT = "access", "erasure", "correction", "complaint", "safeguarding"
TWO_PEOPLE = (
    "ending IS NULL OR ending != 'erased' OR (asked_at IS NOT NULL AND ended_by_id IS NOT NULL "
    "AND (asked_by_id IS NULL OR asked_by_id != ended_by_id))"
)


def upgrade() -> None:
    _create_legal_holds()
    _create_data_requests()
    _create_gateway_records()
    _create_erasure_runs()
    _create_figures()
    with op.batch_alter_table("suppression") as table:
        table.add_column(
            sa.Column("no_calls", sa.Boolean(), server_default=sa.false(), nullable=False)
        )
    with op.batch_alter_table("staff") as table:
        table.add_column(_instant("disabled_at", nullable=True))
    op.execute("UPDATE staff SET disabled_at = CURRENT_TIMESTAMP WHERE NOT is_active")


def _create_legal_holds() -> None:
    op.create_table(
        "legal_hold",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("request_id", sa.Integer(), nullable=False),
        sa.Column("reason_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("review_on", sa.Date(), nullable=False),
        sa.Column("placed_by_id", sa.Integer(), nullable=False),
        _instant("placed_at"),
        sa.Column("ended_by_id", sa.Integer(), nullable=True),
        _instant("ended_at", nullable=True),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (ended_by_id IS NULL)", name=op.f("ck_legal_hold_end_whole")
        ),
        _refers("legal_hold", "request_id", "callback_request"),
        _refers("legal_hold", "placed_by_id", "staff"),
        _refers("legal_hold", "ended_by_id", "staff"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_legal_hold")),
        sa.UniqueConstraint("uid", name=op.f("uq_legal_hold_uid")),
    )
    op.create_index(op.f("ix_legal_hold_request_id"), "legal_hold", ["request_id"])
    _unique_while("legal_hold", "uq_legal_hold_open", "request_id", "ended_at IS NULL")


def _create_data_requests() -> None:
    op.create_table(
        "data_request",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("phone_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("phone_index", sa.LargeBinary(length=16), nullable=True),
        sa.Column("about", _words("about", *ABOUT), nullable=False),
        sa.Column("words_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("opened_by_id", sa.Integer(), nullable=True),
        _instant("opened_at"),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("asked_by_id", sa.Integer(), nullable=True),
        _instant("asked_at", nullable=True),
        sa.Column("stop_texts", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("stop_calls", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("ended_by_id", sa.Integer(), nullable=True),
        _instant("ended_at", nullable=True),
        sa.Column("ending", _words("ending", "answered", "erased"), nullable=True),
        *_checks_of_data_requests(),
        _refers("data_request", "opened_by_id", "staff"),
        _refers("data_request", "asked_by_id", "staff"),
        _refers("data_request", "ended_by_id", "staff"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_request")),
        sa.UniqueConstraint("uid", name=op.f("uq_data_request_uid")),
    )
    op.create_index(op.f("ix_data_request_phone_index"), "data_request", ["phone_index"])
    op.create_index(op.f("ix_data_request_opened_by_id"), "data_request", ["opened_by_id"])
    _unique_while("data_request", "uq_data_request_open_phone", "phone_index", "ended_at IS NULL")


def _checks_of_data_requests() -> list[sa.CheckConstraint]:
    rules = {
        "end_whole": "(ended_at IS NULL) = (ending IS NULL)",
        "open_has_phone": "ended_at IS NOT NULL OR phone_index IS NOT NULL",
        "asked_whole": "asked_by_id IS NULL OR asked_at IS NOT NULL",
        "two_people": TWO_PEOPLE,
    }
    return [
        sa.CheckConstraint(rule, name=op.f(f"ck_data_request_{name}"))
        for name, rule in rules.items()
    ]


def _create_gateway_records() -> None:
    op.create_table(
        "gateway_record",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", _words("kind", "text", "call"), nullable=False),
        sa.Column("sid", sa.String(length=64), nullable=False),
        sa.Column("request_id", sa.Integer(), nullable=True),
        _instant("owed_since"),
        _instant("try_at"),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("trouble", sa.String(length=120), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway_record")),
        sa.UniqueConstraint("sid", name=op.f("uq_gateway_record_sid")),
    )
    op.create_index(op.f("ix_gateway_record_try_at"), "gateway_record", ["try_at"])


def _create_erasure_runs() -> None:
    op.create_table(
        "erasure_run",
        sa.Column("id", sa.Integer(), nullable=False),
        _instant("at"),
        sa.Column("erased", sa.Integer(), nullable=False),
        _instant("cleared_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasure_run")),
    )
    owed = sa.text("cleared_at IS NULL")
    op.create_index(
        "ix_erasure_run_owed", "erasure_run", ["id"], sqlite_where=owed, postgresql_where=owed
    )


def _create_figures() -> None:
    op.create_table(
        "figure",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("measure", _words("measure", "asked", "ended", "waited"), nullable=False),
        sa.Column("from_on", sa.Date(), nullable=False),
        sa.Column("line", sa.String(length=32), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_figure")),
        sa.UniqueConstraint(
            "measure", "from_on", "line", name=op.f("uq_figure_measure_from_on_line")
        ),
    )


def _words(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=24)


def _instant(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _refers(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{to}")
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=name)


def _unique_while(table: str, name: str, column: str, condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, [column], unique=True, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    with op.batch_alter_table("staff") as table:
        table.drop_column("disabled_at")
    with op.batch_alter_table("suppression") as table:
        table.drop_column("no_calls")
    for table_name in ("figure", "erasure_run", "gateway_record", "data_request", "legal_hold"):
        op.drop_table(table_name)
