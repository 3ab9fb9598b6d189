"""The WSGI entry: `wsgi:app` runs on any WSGI server, and `flask --app wsgi` finds the commands here."""

import os

from careapp import create_app
from careapp.operations.database_check import check_at_start

app = create_app()

# A command may be the very one that makes the database; whoever else imports this is about to serve from it.
if os.environ.get("FLASK_RUN_FROM_CLI") != "true":
    with app.app_context():
        check_at_start()
