"""WTForms' way to state one choice, behind types of our own: those that are published are older."""

from __future__ import annotations

from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]

__all__ = ["SelectChoice"]
