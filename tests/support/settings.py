"""Settings for tests: real ones, with secrets that open nothing."""

from __future__ import annotations

import base64
from pathlib import Path

from callback_service.config import Settings

ROOT = Path(__file__).resolve().parents[2]
SECRET_KEY = "0123456789abcdefghijklmnopqrstuvwxyz-of-the-tests"
DATA_KEYS = "k1:" + base64.b64encode(bytes(range(32))).decode()


def make_settings(database_url: str, instance: Path, **environ: str) -> Settings:
    """Settings for the database at ``database_url``; ``environ`` adds to the environment."""
    given = {
        "DATABASE_URL": database_url,
        "INSTANCE_PATH": str(instance),
        "SECRET_KEY": SECRET_KEY,
        "DATA_KEYS": DATA_KEYS,
        "PUBLIC_BASE_URL": "http://localhost",
        **environ,
    }
    return Settings.from_environ(given, root=ROOT)
