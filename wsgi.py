"""The application that gunicorn and ``flask --app wsgi`` run."""

from callback_service import create_app

app = create_app()
