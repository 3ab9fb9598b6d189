"""The WSGI entry: `wsgi:app` runs on any WSGI server, and `flask --app wsgi` finds the commands here."""

import os

from careapp import config, create_app
from careapp.logs import take_over_libraries
from careapp.operations.database_check import check_at_start
from careapp.operations.database_health import HEALTH
from careapp.telemetry import workers

# A command may be the very one that makes the database; whoever else imports this is about to serve from it.
serves = os.environ.get("FLASK_RUN_FROM_CLI") != "true"
worker = workers.join(config.load()) if serves else None  # before anything is counted

app = create_app()

if serves:
    from careapp.surface import watching  # here, because it counts

    take_over_libraries()
    with app.app_context():
        check_at_start()
        app.extensions[HEALTH].ready()  # says so where the schema is older than this code
    watching.trace(app)
    if worker:
        watching.watch(app, worker)
