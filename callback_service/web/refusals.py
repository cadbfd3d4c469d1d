"""What somebody of staff was refused goes into the audit log: the route, and the row if any."""

from __future__ import annotations

import logging
from typing import Final

from flask import request
from sqlalchemy.exc import OperationalError

from callback_service import clock
from callback_service.errors import Forbidden, NotFound
from callback_service.extensions import is_busy, reading, transaction
from callback_service.services import refusals

logger = logging.getLogger(__name__)

#: A 404 may hide what is there, so it counts as a refusal too.
NOTED: Final = frozenset({Forbidden.status, NotFound.status})


def note(staff_id: int, status: int) -> None:
    """Write down that ``staff_id`` was refused this request, unless they were often of late.

    Of the address only ids of rows are kept: a token or a reference could be somebody's.
    """
    if status not in NOTED or request.endpoint is None:
        return
    now = clock.utc_now()
    rows = [value for value in (request.view_args or {}).values() if isinstance(value, int)]
    try:
        with reading() as session:
            if not refusals.is_worth_noting(session, staff_id, now=now):
                return
        with transaction() as session:
            refusals.note(
                session,
                staff_id,
                route=request.endpoint,
                status=status,
                row=rows[0] if rows else None,
                now=now,
            )
    except OperationalError as error:
        if not is_busy(error):
            raise
        logger.warning("staff %d was refused %s, and it is not written down", staff_id,
                       request.endpoint)  # fmt: skip
