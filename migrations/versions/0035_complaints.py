"""Keep complaints about how personal data is used, with their own clock.

Expand only: nothing that was there is changed.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

TABLE = "complaint"
#: What is looked up by: a number that is erased, a network that floods the form.
LOOKED_UP_BY = ("phone_index", "network_index", "received_at")


def upgrade() -> None:
    op.create_table(
        TABLE,
        *_told(),
        *_handled(),
        *_rules(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complaint")),
        sa.UniqueConstraint("uid", name=op.f("uq_complaint_uid")),
        sa.UniqueConstraint("reference", name=op.f("uq_complaint_reference")),
        sa.UniqueConstraint("key_digest", name=op.f("uq_complaint_key_digest")),
    )
    for name in LOOKED_UP_BY:
        op.create_index(op.f(f"ix_complaint_{name}"), TABLE, [name])


def _told() -> list[sa.Column[object]]:
    """What somebody told us, and where it came from."""
    return [
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("reference", sa.String(length=8), nullable=False),
        sa.Column("key_digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("words_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("answer_by", _words("answer_by", "none", "phone", "writing"), nullable=False),
        sa.Column("answer_to_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("phone_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("phone_index", sa.LargeBinary(length=16), nullable=True),
        sa.Column("network_index", sa.LargeBinary(length=16), nullable=True),
        sa.Column("is_by_program", sa.Boolean(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("came_on", sa.Date(), nullable=False),
        sa.Column("opened_by_id", sa.Integer(), nullable=True),
    ]


def _handled() -> list[sa.Column[object]]:
    """What staff did about it."""
    return [
        sa.Column("acknowledged_on", sa.Date(), nullable=True),
        sa.Column(
            "acknowledged_how",
            _words("acknowledged_how", "rang", "wrote", "spoke", "not_wanted"),
            nullable=True,
        ),
        sa.Column("acknowledged_by_id", sa.Integer(), nullable=True),
        sa.Column("erasure_asked_by_id", sa.Integer(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by_id", sa.Integer(), nullable=True),
        sa.Column("ending", _words("ending", "answered", "erased"), nullable=True),
    ]


def _words(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=24)


def _rules() -> list[sa.Constraint]:
    who = ("opened_by_id", "acknowledged_by_id", "erasure_asked_by_id", "ended_by_id")
    rules: list[sa.Constraint] = [
        sa.ForeignKeyConstraint([name], ["staff.id"], name=op.f(f"fk_complaint_{name}_staff"))
        for name in who
    ]
    checks = {
        "acknowledged_whole": "(acknowledged_on IS NULL) = (acknowledged_how IS NULL) AND "
        "(acknowledged_on IS NULL) = (acknowledged_by_id IS NULL)",
        "end_whole": "(ended_at IS NULL) = (ending IS NULL) AND "
        "(ended_at IS NULL) = (ended_by_id IS NULL)",
        "answered_after_acknowledged": "ending IS NULL OR ending != 'answered' OR "
        "acknowledged_on IS NOT NULL",
        "open_has_words": "ended_at IS NOT NULL OR words_sealed IS NOT NULL",
        "two_people": "ending IS NULL OR ending != 'erased' OR "
        "(erasure_asked_by_id IS NOT NULL AND erasure_asked_by_id != ended_by_id)",
    }
    return rules + [
        sa.CheckConstraint(rule, name=op.f(f"ck_complaint_{name}")) for name, rule in checks.items()
    ]


def downgrade() -> None:
    for name in LOOKED_UP_BY:
        op.drop_index(op.f(f"ix_complaint_{name}"), TABLE)
    op.drop_table(TABLE)
