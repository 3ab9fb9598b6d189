"""The statements a scene is laid with; each is about the tenant `tenant`, and moves its counters as the moves would."""

CLINICS = """
INSERT INTO clinics (tenant_id, name, time_zone)
SELECT %(tenant)s, name, 'Asia/Yangon' FROM (VALUES ('Desk clinic'), ('Booking clinic')) AS names (name)
RETURNING id, locator"""

PROVIDERS = """
INSERT INTO providers (tenant_id, name, specialty, status, activated_at)
SELECT %(tenant)s, 'Dr Provider ' || n, 'GENERAL_PRACTICE', 'ACTIVE', now() FROM generate_series(1, %(count)s) AS n
RETURNING id, locator"""

AT_WORK = """
INSERT INTO provider_clinics (tenant_id, provider_id, clinic_id)
SELECT %(tenant)s, unnest(%(providers)s::bigint[]), %(clinic)s"""

PEOPLE = """
INSERT INTO patients (tenant_id, family, given, birth_date, gender)
SELECT %(tenant)s, 'Scene' || lpad((n %% %(names)s)::text, 4, '0'), ARRAY['Given'], date '1950-01-01' + n, 'unknown'
FROM generate_series(1, %(patients)s) AS n RETURNING id, locator"""

WORDS = """
INSERT INTO patient_name_words (tenant_id, word, patient_id)
SELECT tenant_id, word, id FROM patients, unnest(ARRAY[lower(family), 'given']) AS word
WHERE tenant_id = %(tenant)s AND id = ANY(%(patients)s)"""

EPISODES = """
INSERT INTO episodes (tenant_id, patient_id, care_type, reason, opened_at)
SELECT %(tenant)s, id, 'GP', 'A reason of some length', now() - interval '30 days'
FROM unnest(%(patients)s::bigint[]) AS id RETURNING id, locator"""

# The newest episodes of every stage are never booked into, so the board shows the same in every round. A patient has an
# appointment in the calendar's days where the stage says so.
BOARD = """
INSERT INTO episodes (tenant_id, patient_id, care_type, reason, opened_at, seen, open_appointments)
SELECT %(tenant)s, id, 'SPECIALIST', 'A reason of some length', now() - (n %% 1000) * interval '1 minute', seen, open
FROM unnest(%(patients)s::bigint[]) WITH ORDINALITY AS p (id, n)
JOIN (VALUES (0, 0, 0), (1, 0, 1), (2, 1, 1), (3, 1, 0)) AS stage (number, seen, open) ON number = n %% 4"""

# Every second slot of the week.
WEEK = """
WITH e AS (
  SELECT id, patient_id, row_number() OVER (ORDER BY id) AS n FROM episodes
  WHERE tenant_id = %(tenant)s AND care_type = 'SPECIALIST' AND reason = 'A reason of some length'
    AND open_appointments > 0),
s AS (
  SELECT id, provider_id, clinic_id, starts_at, ends_at, row_number() OVER (ORDER BY starts_at, id) AS n
  FROM provider_slots WHERE tenant_id = %(tenant)s AND clinic_id = %(clinic)s AND starts_at >= %(since)s),
a AS (
  INSERT INTO appointments (tenant_id, episode_id, patient_id, provider_id, clinic_id, slot_id, starts_at, ends_at,
                            busy_until, status)
  SELECT %(tenant)s, e.id, e.patient_id, s.provider_id, s.clinic_id, s.id, s.starts_at, s.ends_at, s.ends_at, 'BOOKED'
  FROM e JOIN s ON s.n = 2 * e.n RETURNING slot_id)
UPDATE provider_slots SET booked = 1, status = 'BOOKED'
WHERE tenant_id = %(tenant)s AND id IN (SELECT slot_id FROM a)"""

SLOTS = """
INSERT INTO provider_slots (tenant_id, provider_id, clinic_id, starts_at, ends_at)
SELECT %(tenant)s, p.id, %(clinic)s, %(day)s + n * %(slot)s, %(day)s + (n + 1) * %(slot)s
FROM unnest(%(providers)s::bigint[]) WITH ORDINALITY AS p (id, place), generate_series(0, %(slots)s - 1) AS n
ORDER BY n, p.place RETURNING id, locator"""

_PUT = """
made AS (
  INSERT INTO appointments (tenant_id, episode_id, patient_id, provider_id, clinic_id, slot_id, starts_at, ends_at,
                            busy_until, status, category)
  SELECT e.tenant_id, e.id, e.patient_id, s.provider_id, s.clinic_id, s.id, s.starts_at, s.ends_at, s.ends_at,
         wanted.status, CASE WHEN wanted.status = 'CANCELLED' THEN 'PATIENT' END
  FROM wanted JOIN episodes e ON e.tenant_id = %(tenant)s AND e.id = wanted.episode
  JOIN provider_slots s ON s.tenant_id = %(tenant)s AND s.id = wanted.slot
  RETURNING tenant_id, id, locator, episode_id, provider_id, clinic_id, slot_id, status),
placed AS (
  UPDATE provider_slots s SET booked = 1, status = 'BOOKED' FROM made
  WHERE s.tenant_id = made.tenant_id AND s.id = made.slot_id AND made.status <> 'CANCELLED'),
counted AS (
  UPDATE episodes e SET seen = seen + (made.status IN ('ATTENDED', 'ARRIVED', 'IN_PROGRESS'))::int,
    open_appointments = open_appointments + (made.status IN ('BOOKED', 'ARRIVED', 'IN_PROGRESS'))::int,
    last_provider_id = CASE WHEN made.status IN ('ATTENDED', 'NO_SHOW', 'CANCELLED') THEN made.provider_id END,
    last_clinic_id = CASE WHEN made.status IN ('ATTENDED', 'NO_SHOW', 'CANCELLED') THEN made.clinic_id END
  FROM made WHERE e.tenant_id = made.tenant_id AND e.id = made.episode_id)"""

_MOVED = """
INSERT INTO status_changes (tenant_id, episode_id, entity, entity_id, locator, action, from_status, to_status, actor)
SELECT tenant_id, episode_id, 'appointment', id, locator, action, before, after, 'user:1' FROM made,
LATERAL (VALUES ('book', NULL, 'BOOKED', true), ('arrive', 'BOOKED', 'ARRIVED', status IN ('ARRIVED', 'ATTENDED')),
  ('attend', 'ARRIVED', 'ATTENDED', status = 'ATTENDED'), ('cancel', 'BOOKED', 'CANCELLED', status = 'CANCELLED'),
  ('no-show', 'BOOKED', 'NO_SHOW', status = 'NO_SHOW')) AS moves (action, before, after, made_it) WHERE made_it"""

TODAY = f"""
WITH wanted AS (
  SELECT slot, episode, (ARRAY['ATTENDED', 'ATTENDED', 'BOOKED', 'BOOKED', 'ARRIVED', 'NO_SHOW', 'CANCELLED',
                               'ATTENDED', 'BOOKED', 'BOOKED'])[1 + n %% 10] AS status
  FROM unnest(%(slots)s::bigint[], %(episodes)s::bigint[]) WITH ORDINALITY AS u (slot, episode, n)),
{_PUT} {_MOVED}"""

VISITS = f"""
WITH wanted AS (SELECT slot, episode, 'ATTENDED' AS status FROM unnest(%(slots)s::bigint[], %(episodes)s::bigint[])
                AS u (slot, episode)),
{_PUT} {_MOVED}"""

ORDERS = """
WITH e AS (SELECT * FROM episodes WHERE tenant_id = %(tenant)s AND id = ANY(%(episodes)s)),
p AS (
  INSERT INTO prescriptions (tenant_id, episode_id, patient_id, provider_id, medication_text, dosage, quantity, status)
  SELECT e.tenant_id, e.id, patient_id, last_provider_id, 'Amoxicillin 500 mg', 'Take 1 capsule three times a day', 21,
         states.status FROM e, (VALUES ('ISSUED'), ('FILLED')) AS states (status)),
r AS (
  INSERT INTO diagnostics_referrals (tenant_id, episode_id, patient_id, type, reason, due_at)
  SELECT tenant_id, id, patient_id, 'LAB', 'Blood count', now() + interval '30 days' FROM e)
UPDATE episodes SET open_referrals = 1 WHERE tenant_id = %(tenant)s AND id = ANY(%(episodes)s)"""

HISTORY = """
INSERT INTO status_changes (tenant_id, episode_id, entity, entity_id, locator, action, from_status, to_status, actor)
SELECT tenant_id, id, 'episode', id, locator, 'open', NULL, 'OPEN', 'user:1' FROM episodes
WHERE tenant_id = %(tenant)s AND id = ANY(%(episodes)s) UNION ALL
SELECT tenant_id, episode_id, 'prescription', id, locator, 'issue', NULL, 'ISSUED', 'user:1' FROM prescriptions
WHERE tenant_id = %(tenant)s AND episode_id = ANY(%(episodes)s) UNION ALL
SELECT tenant_id, episode_id, 'prescription', id, locator, 'fill', 'ISSUED', 'FILLED', 'user:1' FROM prescriptions
WHERE tenant_id = %(tenant)s AND episode_id = ANY(%(episodes)s) AND status = 'FILLED' UNION ALL
SELECT tenant_id, episode_id, 'referral', id, locator, 'refer', NULL, 'REFERRED', 'user:1' FROM diagnostics_referrals
WHERE tenant_id = %(tenant)s AND episode_id = ANY(%(episodes)s)"""

BOOKED = f"""
WITH wanted AS (
  SELECT s.id AS slot, e.id AS episode, 'BOOKED' AS status
  FROM unnest(%(slots)s::text[], %(episodes)s::text[]) AS u (slot, episode)
  JOIN provider_slots s ON s.tenant_id = %(tenant)s AND s.locator = u.slot
  JOIN episodes e ON e.tenant_id = %(tenant)s AND e.locator = u.episode),
{_PUT} SELECT e.locator, made.locator FROM made
JOIN episodes e ON e.tenant_id = made.tenant_id AND e.id = made.episode_id ORDER BY made.slot_id"""

USER = """
INSERT INTO users (tenant_id, email, name, password_hash, roles)
VALUES (%(tenant)s, 'scene@bench.clinic', 'Front desk', 'none', '{front_desk}') RETURNING id"""
