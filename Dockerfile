# One image for both processes: web (the default command) and jobs (`flask --app wsgi jobs`). Runs as nobody special.
FROM python:3.11-slim AS build
WORKDIR /app
COPY requirements/app.txt requirements/app.txt
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements/app.txt

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /app careapp
WORKDIR /app
COPY --from=build /venv /venv
COPY careapp careapp
COPY migrations migrations
COPY wsgi.py ./
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PORT=8000
USER careapp
EXPOSE 8000
# For web; compose.yaml turns it off where another command runs, because nothing listens there.
HEALTHCHECK --interval=10s --timeout=3s CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(u.Request('http://127.0.0.1:' + os.environ['PORT'] + '/healthz', headers={'Host': os.environ.get('TRUSTED_HOSTS', 'localhost').split()[0]}))"]
CMD ["sh", "-c", "exec granian --interface wsgi --host 0.0.0.0 --port $PORT --workers ${WEB_WORKERS:-2} --blocking-threads 4 --no-ws --respawn-failed-workers --workers-kill-timeout 25s wsgi:app"]
