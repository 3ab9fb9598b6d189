# One image for all processes: web (the default command), the portal's listener (the same, with SURFACES=internal), jobs
# (`flask --app wsgi jobs`) and migrations. It runs as nobody special, with a number that clusters can check, and writes
# nowhere but /tmp. `--target backup` makes a second one, which has PostgreSQL's client and `age` besides.
FROM python:3.11-slim-trixie AS build
WORKDIR /app
# Which locked set: `app`, or `confluent` for KAFKA_CLIENT=confluent, which is the same and that client.
ARG REQUIREMENTS=app
COPY requirements/${REQUIREMENTS}.txt requirements/locked.txt
# By the pip of the base image: what serves needs none, nor the setuptools that would come with one.
RUN python -m venv --without-pip /venv \
    && python -m pip --python /venv/bin/python install --no-cache-dir --require-hashes -r requirements/locked.txt

FROM python:3.11-slim-trixie AS runtime
RUN groupadd --system --gid 10001 careapp \
    && useradd --system --uid 10001 --gid 10001 --home-dir /app --no-create-home careapp
WORKDIR /app
COPY --from=build /venv /venv
COPY careapp careapp
COPY migrations migrations
COPY wsgi.py ./
# Compiled here, because a read-only root would have every start do it again.
RUN /venv/bin/python -m compileall -q careapp migrations wsgi.py
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PORT=8000
USER 10001:10001

# The client is of the release's PostgreSQL, 17: as new as the server of compose.yaml, and good for 15 and 16.
FROM runtime AS backup
USER root
RUN apt-get update && apt-get install -y --no-install-recommends postgresql-client age && rm -rf /var/lib/apt/lists/*
USER 10001:10001
CMD ["flask", "--app", "wsgi", "backup", "-"]

FROM runtime AS app
EXPOSE 8000
# For web; compose.yaml turns it off where another command runs, because nothing listens there.
HEALTHCHECK --interval=10s --timeout=3s CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(u.Request('http://127.0.0.1:' + os.environ['PORT'] + '/healthz', headers={'Host': os.environ.get('TRUSTED_HOSTS', 'localhost').split()[0]}))"]
CMD ["sh", "-c", "exec python -m careapp.starting granian --interface wsgi --host 0.0.0.0 --port $PORT --workers ${WEB_WORKERS:-2} --blocking-threads 4 --http 1 --http1-header-read-timeout 15000 --http1-buffer-size 32768 --no-ws --respawn-failed-workers --workers-kill-timeout 25s wsgi:app"]
