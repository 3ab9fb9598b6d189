"""The WSGI entry: `wsgi:app` runs on any WSGI server, and `flask --app wsgi` finds the commands here."""

from careapp import create_app

app = create_app()
