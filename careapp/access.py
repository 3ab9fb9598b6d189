"""Access: permissions, the roles that hold them, and the actor every command and query is done by."""

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache


class Permission(StrEnum):
    """One thing somebody may do. Commands, queries, moves and routes name one each."""

    PATIENT_VIEW = "patient.view"
    PATIENT_REGISTER = "patient.register"
    PATIENT_ERASE = "patient.erase"
    DIRECTORY_VIEW = "directory.view"
    CLINIC_MANAGE = "clinic.manage"
    PROVIDER_MANAGE = "provider.manage"
    EPISODE_VIEW = "episode.view"
    EPISODE_OPEN = "episode.open"
    EPISODE_CANCEL = "episode.cancel"
    EPISODE_CLOSE = "episode.close"
    APPOINTMENT_VIEW = "appointment.view"
    APPOINTMENT_BOOK = "appointment.book"
    APPOINTMENT_MOVE = "appointment.move"
    SLOT_VIEW = "slot.view"
    SLOT_MANAGE = "slot.manage"
    SLOT_MANAGE_OWN = "slot.manage_own"
    CLINICAL_READ = "clinical.read"
    CLINICAL_WRITE = "clinical.write"
    PRESCRIPTION_VIEW = "prescription.view"
    PRESCRIPTION_READ = "prescription.read"
    PRESCRIPTION_WRITE = "prescription.write"
    PRESCRIPTION_VERIFY = "prescription.verify"
    REFERRAL_VIEW = "referral.view"
    REFERRAL_READ = "referral.read"
    REFERRAL_WRITE = "referral.write"
    PORTAL_READ = "portal.read"
    OUTBOX_MANAGE = "outbox.manage"
    USER_MANAGE = "user.manage"
    SETTINGS_MANAGE = "settings.manage"
    AUDIT_VIEW = "audit.view"
    AUDIT_KEEP = "audit.keep"
    OWN_PREFERENCES = "preferences.own"
    OWN_DRAFTS = "drafts.own"
    OWN_ACCOUNT = "account.own"
    HISTORY_IMPORT = "history.import"
    RECORD_RESTRICT = "record.restrict"
    EMERGENCY_ACCESS = "record.emergency"
    EMERGENCY_REVIEW = "record.emergency_review"


class Role(StrEnum):
    """What a person is in the clinic (design §8). A system actor has no role, only permissions."""

    FRONT_DESK = "front_desk"
    CLINICIAN = "clinician"
    ADMIN = "admin"
    AUDITOR = "auditor"


class Purpose(StrEnum):
    """Why somebody looks or acts: codes of HL7's ActReason value set PurposeOfUse, kept with each audit row."""

    TREAT = "TREAT"  # care of the patient, which is what staff are here for
    ETREAT = "ETREAT"  # care in an emergency, by who opened a restricted record for it
    PATRQT = "PATRQT"  # at the patient's own wish: the member portal
    HOPERAT = "HOPERAT"  # running the clinic: administration and review of the log
    HSYSADMIN = "HSYSADMIN"  # keeping the system: jobs, imports, commands of the operator


P = Permission

_EVERYBODY_IN_CARE = frozenset({
    P.PATIENT_VIEW, P.PATIENT_REGISTER, P.DIRECTORY_VIEW, P.EPISODE_VIEW, P.EPISODE_OPEN, P.EPISODE_CANCEL,
    P.APPOINTMENT_VIEW, P.APPOINTMENT_BOOK, P.APPOINTMENT_MOVE, P.SLOT_VIEW, P.OWN_PREFERENCES, P.OWN_DRAFTS,
    P.OWN_ACCOUNT,
})  # fmt: skip

# VIEW shows that a prescription or referral exists, READ also what it says. SLOT_MANAGE_OWN alone reaches only the
# slots of the provider the user is. RECORD_RESTRICT is for who keeps the record closed, its care team and consent; in
# a closed one only for its care team and the administration (disclosure/stewards.py).

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.FRONT_DESK: _EVERYBODY_IN_CARE | {P.SLOT_MANAGE, P.SLOT_MANAGE_OWN, P.PRESCRIPTION_VIEW, P.REFERRAL_VIEW},
    Role.CLINICIAN: _EVERYBODY_IN_CARE
    | {P.EPISODE_CLOSE, P.SLOT_MANAGE_OWN, P.CLINICAL_READ, P.CLINICAL_WRITE}
    | {P.PRESCRIPTION_VIEW, P.PRESCRIPTION_READ, P.PRESCRIPTION_WRITE}
    | {P.REFERRAL_VIEW, P.REFERRAL_READ, P.REFERRAL_WRITE}
    | {P.RECORD_RESTRICT, P.EMERGENCY_ACCESS},
    Role.ADMIN: _EVERYBODY_IN_CARE
    | {P.SLOT_MANAGE, P.SLOT_MANAGE_OWN, P.CLINIC_MANAGE, P.PROVIDER_MANAGE}
    | {P.USER_MANAGE, P.OUTBOX_MANAGE, P.SETTINGS_MANAGE, P.PATIENT_ERASE}
    | {P.RECORD_RESTRICT, P.EMERGENCY_REVIEW},
    Role.AUDITOR: frozenset({P.AUDIT_VIEW, P.EMERGENCY_REVIEW, P.OWN_PREFERENCES, P.OWN_DRAFTS, P.OWN_ACCOUNT}),
}


@dataclass(frozen=True)
class Actor:
    """Who does something: a person, a portal or a job, in one tenant, with a set of permissions.

    `name` is what history and audit keep (`user:7`, `token:subject`, `portal`, `import`), never a person's name;
    `label` is the name a page shows to the person himself. `clinic_ids` is the clinic scope; None means every clinic
    of the tenant. `provider_id` links a clinician to the provider whose slots are his own. `purpose` is why he is here,
    unless a single act says otherwise. `scopes` are those his token is narrowed to (careapp.scopes), if it is.
    """

    tenant_id: int
    tenant_key: str
    name: str
    permissions: frozenset[Permission]
    roles: frozenset[Role] = frozenset()
    clinic_ids: frozenset[int] | None = None
    provider_id: int | None = None
    user_id: int | None = None
    on_behalf_of: str | None = None
    purpose: Purpose = Purpose.TREAT
    label: str = field(default="", compare=False)
    scopes: frozenset[str] | None = None

    def may(self, permission: Permission) -> bool:
        """Whether this actor holds the permission."""
        return permission in self.permissions


@cache
def permissions_of(roles: frozenset[Role]) -> frozenset[Permission]:
    """All permissions the given roles hold together."""
    return frozenset().union(*(ROLE_PERMISSIONS[role] for role in roles))
