"""Forms of service clients: adding one, and giving one a new secret."""

# WTForms brings no types, so its classes are Any.
# mypy: allow-subclassing-any

from typing import Any

from flask import current_app
from flask_babel import lazy_gettext as _l
from wtforms import BooleanField

from careapp.access import Role
from careapp.surface.actors import token_scopes
from careapp.web.forms.admin import ChecksField
from careapp.web.forms.fields import CareForm, SubmissionField, options
from careapp.web.forms.typed import LineField
from careapp.web.words import words


class AddClientForm(CareForm):
    """What a program is called and may do. Scopes are shown as the tokens name them."""

    submission = SubmissionField()
    name = LineField(_l("Name"), required=True, render_kw={"autocomplete": "off"})
    roles = ChecksField(_l("Roles"))
    scopes = ChecksField(_l("Scopes"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.roles.choices = options((role.value, words(role.value)) for role in Role)
        self.scopes.choices = options((scope, scope) for scope in sorted(token_scopes(current_app)))


class RotateForm(CareForm):
    """Whether the secret before ends at once, instead of after a day."""

    submission = SubmissionField()
    at_once = BooleanField(_l("End the present secret at once"))
