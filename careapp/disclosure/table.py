"""The rules of disclosure as a table for people: docs/security/access.md is made from it."""

from careapp.disclosure.rules import EMERGENCY_LASTS, MANY_A_DAY, RECENT, SHORTEST_REASON

_MINUTES, _DAYS = int(EMERGENCY_LASTS.total_seconds() // 60), RECENT.days

# Of what, to whom, which fields.
FIELDS = (
    ("prescription", "who lacks `prescription.read` (front desk)",
     "medication, dosage, quantity, refills, reason, checks, override reason: null"),
    ("referral", "who lacks `referral.read` (front desk)", "reason, outcome: null"),
    ("appointment", "the member portal", "notes: left out"),
    ("patient page", "who lacks `clinical.read`", "conditions and facts that have ended: left out"),
    ("episode of a restricted patient", "who may not read the record",
     "careType: RESTRICTED; reason, summary, triageSessionLocator: null"),
    ("appointment of a restricted patient", "who may not read the record", "reason, notes: null"),
    ("referral of a restricted patient", "who may not read the record",
     "type: RESTRICTED; reason, facility, outcome: null"),
    ("patient, restricted", "who may not read the record", "allergies, conditions, prescriptions, referrals: left out"),
    ("audit entry", "everybody", "details that could hold a name (`audit_search.SHOWN_DETAILS` lists the others)"),
)  # fmt: skip

# The rule, what decides, what is answered otherwise, and where it stands.
RULES = (
    ("Tenant", "the session's or token's tenant; row-level security in the database as well", "404", "`tenancy.py`"),
    ("Clinic scope", "the clinics of the user's row; what belongs to no clinic is everybody's", "404",
     "`disclosure/scope.py`"),
    ("Own slots", "the provider the user is, for clinicians", "403 FORBIDDEN", "`scheduling/slots.py`"),
    ("Sensitivity", "a NORMAL record is open to each role as above; of a RESTRICTED one everybody in care sees name,"
     " birth date, contacts and the times, providers and states of appointments", "403 RESTRICTED where it is asked"
     " for itself; in lists it stands without its content, and no filter by content finds it", "`disclosure/rules.py`"),
    ("Care team, named", "a user or provider, from `since` until `until`; named by the team or an administrator,"
     " nobody by himself", "403 RESTRICTED", "`disclosure/team.py`"),
    ("Care team, by care given", f"clinicians: the provider of an open appointment or one of the last {_DAYS} days;"
     f" who prescribed or opened an episode, while it is open or for {_DAYS} days. Not by an appointment or episode he"
     " made himself after the record was restricted", "403 RESTRICTED", "`disclosure/rules.py`"),
    ("Emergency", f"clinicians, with a reason of {SHORTEST_REASON} characters, one patient, {_MINUTES} minutes; every"
     f" look is kept as ETREAT and reviewed by somebody else; more than {MANY_A_DAY} a day stand out; gives no say in"
     " who may see the record", "403 RESTRICTED", "`disclosure/emergency.py`"),
    ("Consent", "the patient's newest directive on portal sharing; without one, NORMAL is shared and RESTRICTED is not."
     " A PERMIT opens a restricted record to tokens of no local user too", "404 in the portal, 403 RESTRICTED for"
     " tokens", "`disclosure/rules.py`"),
    ("Purpose TREAT", "staff in care", "", "`identity/actors.py`"),
    ("Purpose HOPERAT", "administration and review: no clinical permissions, and never a restricted record", "403",
     "`disclosure/rules.py`"),
    ("Purpose PATRQT", "the member portal: the fields of the portal, of patients who share", "404",
     "`disclosure/rules.py`; the fields: `overviews/portal.py`"),
    ("Purpose HSYSADMIN", "jobs, imports and the operator's commands: they show records to nobody", "",
     "`disclosure/rules.py`"),
    ("Paper in the hand", "who types a prescription's code is told whether it is genuine, and no patient", "404",
     "`overviews/prescription_paper.py`"),
    ("Mass assignment", "one class of fields an act: anything else in a JSON body is refused, in a form it is ignored",
     "422", "`surface/fields.py`: `Sent`; `web/forms`"),
)  # fmt: skip
