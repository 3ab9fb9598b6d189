"""Benchmarks: what a request costs, beside what its own SQL statements cost without the application.

`make bench` (`.venv/bin/python -m bench`) fills a database of its own in `var/bench` with tenants
(`bench/generator.py`; it is kept for the next run), lays a scene into a copy of it (`bench/scene.py`), starts the web
server as the Procfile does, drives it over HTTP from other processes, and prints one table. Each case is measured four
ways, in short rounds that take turns, so that a machine that is busy for a while is busy for all of them:

- **application**: HTTP, 8 connections kept alive, granian with 2 workers of 4 threads, production settings.
- **bare WSGI**: the same SQL transaction from one WSGI function without a framework (`bench/bare.py`), on a second
  granian started by the same line of the Procfile; no validation, one psycopg connection a thread.
- **psycopg**: the same SQL transaction from 8 client processes, without any HTTP.
- **empty view**: a Flask application that answers 204 to everything (`bench/empty.py`), on a third such granian.

"The same statements" are not written down here, they are recorded: `bench/statements.py` lets the application answer
two different requests and keeps each statement's text and parameters. A parameter that differs between the two is
filled anew each time it is replayed: from the request (a locator, the idempotency key), from a column an earlier
statement returned (ids, times), with a new UUID, or with the present time. What is left (an event's envelope, the
stored answer) is sent as recorded, since the database does the same work whatever such a text says. The rulers send
one statement after the other and wait once for each, while the application sends several at once where it can
(docs/adr/0030), and they bind what the code itself puts into a statement (docs/adr/0028), so that PostgreSQL plans some
anew each time: a ratio above what the statements alone allow comes of that, or of memory where that answers
(docs/adr/0029). Statements of authentication are counted apart and replayed first, in the same transaction, as the
application runs them (`--strangers` leaves them out of both rulers, as tables did until the one of commit 4fdb88c).
BEGIN and COMMIT are run everywhere and counted nowhere; the savepoint of a request with an Idempotency-Key is run by
the application alone and not counted. Rates are requests answered by all connections together, divided by the time
from the start of a round to its last answer; a ratio is the median over rounds of two rates of the same round.
"Database ms" is how long the statements of one request ran, as pg_stat_statements counts it for the application's
role, those of authentication and COMMIT with its wait for the disk included; "CPU" is read from /proc, of the web
server's processes and of PostgreSQL's.

`make bench ARGS='--size large'` measures among a million appointments; `ARGS=growth` measures both sizes, the
application alone, and compares; `ARGS=relay` measures the way to Kafka; `ARGS=keep` puts what was measured last on top
of `bench/figures.md`.
"""
