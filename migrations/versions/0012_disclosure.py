"""Disclosure: restricted records, care teams, consent, emergency access."""

from alembic import op

from careapp.tenancy import protect

revision = "0012"
down_revision = "0011"

NEW = ("care_team_members", "consent_directives", "emergency_accesses")


def upgrade() -> None:
    """Apply."""
    for statement in (*PATIENTS, TEAM, CONSENTS, EMERGENCIES, *INDEXES):
        op.execute(statement)
    for table in NEW:
        for statement in protect(table):
            op.execute(statement)
    # What was said is not unsaid: nobody leaves a care team by being deleted, and a directive is followed by another.
    op.execute("REVOKE DELETE ON care_team_members, emergency_accesses FROM care_app")
    op.execute("REVOKE UPDATE, DELETE ON consent_directives FROM care_app")


def downgrade() -> None:
    """Take back."""
    for table in reversed(NEW):
        op.drop_table(table)
    op.execute("ALTER TABLE patients DROP COLUMN restricted_at, DROP COLUMN confidentiality")


# A constant default is no rewrite; the two checks look at each row once, without writing any.
PATIENTS = (
    "ALTER TABLE patients ADD COLUMN confidentiality text NOT NULL DEFAULT 'NORMAL',"
    " ADD COLUMN restricted_at timestamptz",
    "ALTER TABLE patients ADD CONSTRAINT patients_confidentiality_check"
    " CHECK (confidentiality IN ('NORMAL', 'RESTRICTED')),"
    " ADD CONSTRAINT patients_restricted_at_check"
    " CHECK ((confidentiality = 'RESTRICTED') = (restricted_at IS NOT NULL))",
)
TEAM = """CREATE TABLE care_team_members (
    tenant_id integer NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    patient_id bigint NOT NULL,
    user_id bigint,
    provider_id bigint,
    role text NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    until timestamptz,
    added_by text NOT NULL,
    removed_by text,
    CONSTRAINT care_team_members_pk PRIMARY KEY (tenant_id, id),
    CONSTRAINT care_team_members_tenant_id_patient_id_fk FOREIGN KEY (tenant_id, patient_id)
        REFERENCES patients (tenant_id, id),
    CONSTRAINT care_team_members_tenant_id_user_id_fk FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id),
    CONSTRAINT care_team_members_tenant_id_provider_id_fk FOREIGN KEY (tenant_id, provider_id)
        REFERENCES providers (tenant_id, id),
    CONSTRAINT care_team_members_who_check CHECK (num_nonnulls(user_id, provider_id) = 1)
)"""
CONSENTS = """CREATE TABLE consent_directives (
    tenant_id integer NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    patient_id bigint NOT NULL,
    scope text NOT NULL,
    decision text NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    recorded_by text NOT NULL,
    CONSTRAINT consent_directives_pk PRIMARY KEY (tenant_id, id),
    CONSTRAINT consent_directives_tenant_id_patient_id_fk FOREIGN KEY (tenant_id, patient_id)
        REFERENCES patients (tenant_id, id),
    CONSTRAINT consent_directives_scope_check CHECK (scope IN ('PORTAL_SHARING')),
    CONSTRAINT consent_directives_decision_check CHECK (decision IN ('PERMIT', 'DENY'))
)"""
EMERGENCIES = """CREATE TABLE emergency_accesses (
    tenant_id integer NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    patient_id bigint NOT NULL,
    user_id bigint NOT NULL,
    reason text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    ends_at timestamptz NOT NULL,
    ended_at timestamptz,
    reviewed_by text,
    reviewed_at timestamptz,
    remark text,
    CONSTRAINT emergency_accesses_pk PRIMARY KEY (tenant_id, id),
    CONSTRAINT emergency_accesses_tenant_id_patient_id_fk FOREIGN KEY (tenant_id, patient_id)
        REFERENCES patients (tenant_id, id),
    CONSTRAINT emergency_accesses_tenant_id_user_id_fk FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id),
    CONSTRAINT emergency_accesses_reason_check CHECK (length(reason) >= 10),
    CONSTRAINT emergency_accesses_span_check CHECK (ends_at > started_at),
    CONSTRAINT emergency_accesses_review_check CHECK ((reviewed_by IS NULL) = (reviewed_at IS NULL))
)"""
INDEXES = (
    "CREATE INDEX care_team_of_patient ON care_team_members (tenant_id, patient_id, id)",
    "CREATE INDEX consents_of_patient ON consent_directives (tenant_id, patient_id, scope, id)",
    "CREATE INDEX emergencies_of_patient ON emergency_accesses (tenant_id, patient_id, user_id, ends_at)",
    "CREATE INDEX emergencies_newest ON emergency_accesses (tenant_id, started_at, id)",
    "CREATE INDEX emergencies_of_user ON emergency_accesses (tenant_id, user_id, started_at)",
)
