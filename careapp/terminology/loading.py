"""Loading a list of medicines: the whole new list in one transaction of the database's owner, or nothing of it.

Codes that the new list lacks stay, as retired: nothing finds them, but prescriptions refer to them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from careapp.localdb import libpq_url
from careapp.terminology import rxnorm_files, starter
from careapp.terminology.names import ingredients_in, search_words
from careapp.terminology.rxnorm_files import COMPONENT, DRUGS, INGREDIENTS, Seen
from careapp.terminology.views import RXNORM

Connection = psycopg.Connection[tuple[Any, ...]]

_NEW = """
CREATE TEMP TABLE new_names (code text COLLATE "C", term_type text, name text, parts text[], words text[],
 ingredients jsonb) ON COMMIT DROP;
CREATE TEMP TABLE new_links (one text COLLATE "C", other text COLLATE "C") ON COMMIT DROP;
"""
# Of a code with several names of its own the first by term type and name stays: RxNorm gives each concept one.
_ONE_NAME_EACH = """
CREATE TEMP TABLE new_list ON COMMIT DROP AS
 SELECT DISTINCT ON (code) * FROM new_names WHERE NOT term_type = ANY(%(components)s) ORDER BY code, term_type, name;
CREATE UNIQUE INDEX ON new_list (code);
CREATE TEMP TABLE new_parts ON COMMIT DROP AS SELECT DISTINCT code FROM new_names WHERE term_type = ANY(%(components)s);
"""
_BY_NAME = """
UPDATE new_list l SET ingredients = named.listed FROM (
 SELECT n.code, jsonb_agg(jsonb_build_object('code', i.code, 'name', p.part) ORDER BY p.position) AS listed
 FROM new_list n CROSS JOIN unnest(n.parts) WITH ORDINALITY AS p (part, position)
 LEFT JOIN LATERAL (SELECT code FROM new_list WHERE term_type = ANY(ARRAY['IN', 'PIN']) AND lower(name) = p.part
  ORDER BY term_type LIMIT 1) i ON true
 GROUP BY n.code) named
WHERE named.code = l.code AND l.ingredients IS NULL
"""
_OWN = """
UPDATE new_list SET ingredients = jsonb_build_array(jsonb_build_object('code', code, 'name', name))
WHERE term_type = ANY(ARRAY['IN', 'PIN']) AND ingredients IS NULL
"""
_BY_RELATION = """
CREATE TEMP TABLE both_ways ON COMMIT DROP AS
 SELECT one, other FROM new_links UNION SELECT other, one FROM new_links;
CREATE INDEX ON both_ways (one);
ANALYZE both_ways; ANALYZE new_list; ANALYZE new_parts;
CREATE TEMP TABLE holds ON COMMIT DROP AS
 SELECT DISTINCT d.code AS drug, i.code AS ingredient, i.name FROM new_list d
 JOIN both_ways a ON a.one = d.code JOIN new_parts c ON c.code = a.other
 JOIN both_ways b ON b.one = c.code JOIN new_list i ON i.code = b.other AND i.term_type = 'IN'
 WHERE d.term_type IN ('SCD', 'SBD');
INSERT INTO holds SELECT DISTINCT p.code, h.ingredient, h.name FROM new_list p
 JOIN both_ways a ON a.one = p.code JOIN holds h ON h.drug = a.other WHERE p.term_type IN ('GPCK', 'BPCK');
INSERT INTO holds SELECT DISTINCT m.code, i.code, i.name FROM new_list m
 JOIN both_ways a ON a.one = m.code JOIN new_list i ON i.code = a.other AND i.term_type = 'IN'
 WHERE m.term_type IN ('MIN', 'PIN') AND m.code <> i.code;
UPDATE new_list l SET ingredients = found.listed FROM (
 SELECT drug, jsonb_agg(jsonb_build_object('code', ingredient, 'name', name) ORDER BY name) AS listed
 FROM holds GROUP BY drug) found WHERE found.drug = l.code;
"""
_REPLACE = """
DELETE FROM medicine_words;
UPDATE medicines SET active = false WHERE active;
INSERT INTO medicines (code, name, term_type, ingredients, active)
 SELECT code, name, term_type, coalesce(ingredients, '[]'), true FROM new_list
 ON CONFLICT (code) DO UPDATE SET name = excluded.name, term_type = excluded.term_type,
  ingredients = excluded.ingredients, active = true;
INSERT INTO medicine_words (word, code) SELECT DISTINCT unnest(words), code FROM new_list;
"""
_COUNTS = """
SELECT count(*) FILTER (WHERE active AND term_type = ANY(%(drugs)s)),
 count(*) FILTER (WHERE active AND term_type = ANY(%(ingredients)s)),
 count(*) FILTER (WHERE active AND term_type = ANY(%(drugs)s) AND ingredients = '[]'),
 count(*) FILTER (WHERE NOT active)
FROM medicines
"""


@dataclass(frozen=True)
class Loaded:
    """What was loaded: medicines that can be prescribed, ingredients, medicines whose ingredients are not known, codes
    kept as retired, and RxNorm names left out as suppressed.
    """

    medicines: int
    ingredients: int
    without_ingredients: int
    retired: int
    suppressed: int = 0


def load_release(owner_url: str, names: Path, relations: Path | None = None) -> Loaded:
    """Replace the list by RXNCONSO.RRF, with RXNREL.RRF for the ingredients, else by what the names tell of them.

    Raises rxnorm_files.Malformed; the list then stays as it was.
    """
    seen = Seen()

    def fill(connection: Connection) -> None:
        _copy(connection, "new_names", map(_row, rxnorm_files.names(names, seen)))
        if relations:
            _copy(connection, "new_links", rxnorm_files.relations(relations, Seen()))

    return _replace(owner_url, fill, f"RxNorm, US National Library of Medicine: {names.name}", seen)


def load_starter(owner_url: str) -> Loaded:
    """Replace the list by the starter list that ships with the project."""
    return _replace(owner_url, _fill_from_starter, starter.SOURCE, Seen())


def _fill_from_starter(connection: Connection) -> None:
    rows: Iterable[tuple[Any, ...]] = (
        (one.code, one.term_type, one.name, [], search_words(one.name),
         Jsonb([{"code": code, "name": name} for code, name in one.ingredients]))
        for one in starter.concepts()
    )  # fmt: skip
    _copy(connection, "new_names", rows)


def _row(concept: tuple[str, str, str]) -> tuple[Any, ...]:
    """A row of new_names for (RxCUI, term type, name); its ingredients are yet to be found."""
    _code, term_type, name = concept
    return (*concept, *_told(term_type, name), None)


def _told(term_type: str, name: str) -> tuple[list[str], list[str]]:
    """What a name tells of ingredients, and the words it is found by."""
    if term_type == COMPONENT:
        return [], []
    if term_type == "MIN":
        return [part.strip().lower() for part in name.split(" / ")], search_words(name)
    return (ingredients_in(name) if term_type in DRUGS else []), search_words(name)


def _copy(connection: Connection, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN".encode()) as copy:
        for row in rows:
            copy.write_row(row)


def _replace(owner_url: str, fill: Callable[[Connection], None], source: str, seen: Seen) -> Loaded:
    """Fill the new list and put it in place of the old one; who reads meanwhile sees the old one whole."""
    with psycopg.connect(libpq_url(owner_url)) as connection:
        connection.execute("SET LOCAL client_min_messages = warning")
        connection.execute("LOCK TABLE code_lists IN SHARE ROW EXCLUSIVE MODE")  # one load at a time
        _run(connection, _NEW)
        fill(connection)
        _run(connection, _ONE_NAME_EACH, components=[COMPONENT])
        _run(connection, _OWN)
        _run(connection, _BY_RELATION)
        connection.execute("CREATE INDEX ON new_list (lower(name)) WHERE term_type = ANY(ARRAY['IN', 'PIN'])")
        _run(connection, _BY_NAME)
        _run(connection, _REPLACE)
        counts = connection.execute(_COUNTS, {"drugs": list(DRUGS), "ingredients": list(INGREDIENTS)}).fetchone()
        assert counts is not None
        medicines, ingredients, without, retired = counts
        loaded = Loaded(medicines, ingredients, without, retired, seen.suppressed)
        connection.execute(
            "INSERT INTO code_lists (system, source, entries) VALUES (%s, %s, %s) ON CONFLICT (system)"
            " DO UPDATE SET source = excluded.source, entries = excluded.entries, loaded_at = now()",
            [RXNORM, source, loaded.medicines],
        )
    with psycopg.connect(libpq_url(owner_url), autocommit=True) as connection:
        connection.execute("ANALYZE medicines, medicine_words")
    return loaded


def _run(connection: Connection, statements: str, **values: Any) -> None:
    """Run statements one by one: with values the protocol takes only one at a time."""
    for statement in filter(str.strip, statements.split(";")):
        connection.execute(statement.encode(), values or None)
