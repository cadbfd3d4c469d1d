"""The application that gunicorn and ``flask --app wsgi`` run."""

from callback_service import create_app, logs

logs.set_up()

app = create_app()
