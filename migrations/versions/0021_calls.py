"""Create bridged_call, call_report and inbound_call.

Expand only: nothing that is there already is changed.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

OPEN = sa.text("ended_at IS NULL")
STATES = ("starting", "ringing_us", "asking", "dialling", "talking", "ended")
ENDINGS = (
    "connected", "no_answer", "engaged", "failed", "hung_up", "not_taken", "called_off",
    "not_made", "lost",
)  # fmt: skip


def _words(name: str, *allowed: str) -> sa.Enum:
    """A column of one of the words ``allowed``."""
    return sa.Enum(*allowed, name=name, native_enum=False, create_constraint=True, length=24)


def _instant(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    _create_bridged_call()
    _create_call_report()
    _create_inbound_call()


def _create_bridged_call() -> None:
    op.create_table(
        "bridged_call",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("request_id", sa.Integer(), nullable=False),
        sa.Column("counsellor_id", sa.Integer(), nullable=False),
        sa.Column("attempt_id", sa.Integer(), nullable=True),
        sa.Column("state", _words("callstate", *STATES), nullable=False),
        sa.Column("ending", _words("callending", *ENDINGS), nullable=True),
        sa.Column("own_sid", sa.String(length=64), nullable=True),
        sa.Column("caller_sid", sa.String(length=64), nullable=True),
        _instant("started_at", nullable=False),
        _instant("dialled_at"),
        _instant("connected_at"),
        _instant("ended_at"),
        sa.Column("seconds", sa.Integer(), nullable=True),
        _instant("check_at", nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("error_code", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=True),
        sa.CheckConstraint(
            "(state = 'ended') = (ended_at IS NOT NULL)", name=op.f("ck_bridged_call_ended_at_set")
        ),
        sa.CheckConstraint(
            "(state = 'ended') = (ending IS NOT NULL)", name=op.f("ck_bridged_call_ending_set")
        ),
        sa.CheckConstraint(
            "(attempt_id IS NULL) = (dialled_at IS NULL)",
            name=op.f("ck_bridged_call_dialled_is_attempt"),
        ),
        _foreign("bridged_call", "request_id", "callback_request"),
        _foreign("bridged_call", "counsellor_id", "staff"),
        _foreign("bridged_call", "attempt_id", "attempt"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bridged_call")),
        *(_unique("bridged_call", name) for name in ("uid", "own_sid", "caller_sid")),
    )
    for name in ("request_id", "counsellor_id"):
        op.create_index(op.f(f"ix_bridged_call_{name}"), "bridged_call", [name])
    for name, column, is_unique in (
        ("uq_bridged_call_open_request", "request_id", True),
        ("uq_bridged_call_open_counsellor", "counsellor_id", True),
        ("ix_bridged_call_check", "check_at", False),
    ):
        op.create_index(
            name, "bridged_call", [column],
            unique=is_unique, sqlite_where=OPEN, postgresql_where=OPEN,
        )  # fmt: skip


def _foreign(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{other}")
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=name)


def _unique(table: str, column: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(column, name=op.f(f"uq_{table}_{column}"))


def _create_call_report() -> None:
    op.create_table(
        "call_report",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("call_id", sa.Integer(), nullable=False),
        sa.Column("leg", _words("leg", "own", "caller"), nullable=False),
        sa.Column("sid", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        _instant("received_at", nullable=False),
        _foreign("call_report", "call_id", "bridged_call"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_report")),
        sa.UniqueConstraint("sid", "status", name=op.f("uq_call_report_sid_status")),
    )
    op.create_index(op.f("ix_call_report_call_id"), "call_report", ["call_id"])


def _create_inbound_call() -> None:
    op.create_table(
        "inbound_call",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("sid", sa.String(length=64), nullable=False),
        _instant("started_at", nullable=False),
        sa.Column("keyed_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("phone_index", sa.LargeBinary(length=16), nullable=True),
        _instant("taken_at"),
        _instant("promised_by"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound_call")),
        *(_unique("inbound_call", name) for name in ("uid", "sid")),
    )
    for name in ("started_at", "phone_index"):
        op.create_index(op.f(f"ix_inbound_call_{name}"), "inbound_call", [name])


def downgrade() -> None:
    for table in ("inbound_call", "call_report", "bridged_call"):
        op.drop_table(table)
