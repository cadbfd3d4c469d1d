"""Counsellors who are off sick at short notice: how often, and from when on it is known."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

#: Of shifts that have not begun: whoever holds it is off sick. Source: 2.6% of working hours in
#: 2022 (Office for National Statistics, sickness absence in the UK labour market), rounded up.
SICK_SHARE: Final = 0.03
#: It is known this long before the shift at the latest (source: assumed).
SICK_NOTICE: Final = timedelta(hours=1)
