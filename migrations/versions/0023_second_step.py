"""A second step for every sign-in: secrets, codes, passkeys, known browsers, stages.

Ends every sign-in there is: none of them gave a second factor.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

STAGES = "start", "password", "full"
PROOFS = "password", "code", "recovery_code", "passkey", "link"


def upgrade() -> None:
    with op.batch_alter_table("staff") as table:
        table.add_column(sa.Column("totp_secret_sealed", sa.LargeBinary(), nullable=True))
        table.add_column(sa.Column("totp_last_step", sa.Integer(), nullable=True))
    _create_recovery_codes()
    _create_known_devices()
    _create_passkeys()
    _create_held_forms()
    _add_stages()
    op.execute("DELETE FROM sign_in_attempt")
    with op.batch_alter_table("sign_in_attempt") as table:
        table.add_column(sa.Column("proof", _words("proof", *PROOFS), nullable=False))
        table.add_column(sa.Column("is_known", sa.Boolean(), nullable=False))


def _create_recovery_codes() -> None:
    op.create_table(
        "recovery_code",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=16), nullable=False),
        _instant("used_at", nullable=True),
        _of_staff("recovery_code"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_code")),
        sa.UniqueConstraint("staff_id", "digest", name=op.f("uq_recovery_code_staff_id_digest")),
    )


def _create_known_devices() -> None:
    op.create_table(
        "known_device",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("token_digest", sa.LargeBinary(length=32), nullable=False),
        _instant("seen_at"),
        _of_staff("known_device"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_known_device")),
        sa.UniqueConstraint(
            "staff_id", "token_digest", name=op.f("uq_known_device_staff_id_token_digest")
        ),
    )


def _create_passkeys() -> None:
    op.create_table(
        "passkey",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(length=1023), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        _instant("created_at"),
        _instant("last_used_at", nullable=True),
        _of_staff("passkey"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkey")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_passkey_credential_id")),
    )
    op.create_index(op.f("ix_passkey_staff_id"), "passkey", ["staff_id"])


def _create_held_forms() -> None:
    op.create_table(
        "held_form",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(length=500), nullable=False),
        sa.Column("fields_sealed", sa.LargeBinary(), nullable=True),
        _instant("held_at"),
        _of_staff("held_form"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_held_form")),
        sa.UniqueConstraint("uid", name=op.f("uq_held_form_uid")),
        sa.UniqueConstraint("staff_id", name=op.f("uq_held_form_staff_id")),
    )


def _add_stages() -> None:
    op.execute("DELETE FROM sign_in")
    with op.batch_alter_table("sign_in") as table:
        table.add_column(sa.Column("uid", sa.String(length=32), nullable=False))
        table.add_column(sa.Column("stage", _words("stage", *STAGES), nullable=False))
        table.add_column(_instant("fresh_at", nullable=True))
        table.add_column(sa.Column("pending_totp_sealed", sa.LargeBinary(), nullable=True))
        table.add_column(sa.Column("challenge", sa.LargeBinary(), nullable=True))
        table.add_column(_instant("challenge_at", nullable=True))
        table.alter_column("staff_id", existing_type=sa.Integer(), nullable=True)
        table.create_unique_constraint(op.f("uq_sign_in_uid"), ["uid"])
        table.create_check_constraint(
            op.f("ck_sign_in_somebody_known"), "(stage = 'start') = (staff_id IS NULL)"
        )


def _words(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=24)


def _instant(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _of_staff(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_staff_id_staff")
    return sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=name, ondelete="CASCADE")


def downgrade() -> None:
    op.execute("DELETE FROM sign_in_attempt")
    with op.batch_alter_table("sign_in_attempt") as table:
        table.drop_constraint(op.f("ck_sign_in_attempt_proof"), type_="check")
        table.drop_column("is_known")
        table.drop_column("proof")
    op.execute("DELETE FROM sign_in")
    with op.batch_alter_table("sign_in") as table:
        table.drop_constraint(op.f("ck_sign_in_somebody_known"), type_="check")
        table.drop_constraint(op.f("ck_sign_in_stage"), type_="check")
        table.drop_constraint(op.f("uq_sign_in_uid"), type_="unique")
        table.alter_column("staff_id", existing_type=sa.Integer(), nullable=False)
        for column in (
            "challenge_at",
            "challenge",
            "pending_totp_sealed",
            "fresh_at",
            "stage",
            "uid",
        ):
            table.drop_column(column)
    op.drop_table("held_form")
    op.drop_table("passkey")
    op.drop_table("known_device")
    op.drop_table("recovery_code")
    with op.batch_alter_table("staff") as table:
        table.drop_column("totp_last_step")
        table.drop_column("totp_secret_sealed")
