"""Check the migrations on both databases: up, no drift from the models, down, up again."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import flask_migrate

from callback_service import create_app
from callback_service.extensions import db
from tests.support.databases import MIGRATIONS, PostgresServer, sqlite_url
from tests.support.settings import make_settings


def main() -> int:
    """0 when both databases pass; what is wrong is printed by the step that finds it."""
    with tempfile.TemporaryDirectory() as folder, PostgresServer.started() as postgres:
        check("SQLite", sqlite_url(Path(folder) / "checked.sqlite3"), Path(folder))
        postgres.create("checked")
        check("PostgreSQL", postgres.url("checked"), Path(folder))
    return 0


def check(name: str, url: str, folder: Path) -> None:
    """Run the migrations of the database at ``url`` through every step."""
    app = create_app(make_settings(url, folder))
    with app.app_context():
        flask_migrate.upgrade(str(MIGRATIONS))
        flask_migrate.check(str(MIGRATIONS))
        flask_migrate.downgrade(str(MIGRATIONS), revision="base")
        flask_migrate.upgrade(str(MIGRATIONS))
        db.engine.dispose()
    print(f"Migrations on {name}: up, no drift, down, up.")


if __name__ == "__main__":
    sys.exit(main())
