"""A prescription on paper: print page, PDF, and the public page where whoever holds the paper verifies it."""

from flask import Blueprint, Response, make_response, request
from flask_babel import gettext as _

from careapp.access import Permission
from careapp.errors import Conflict, Invalid, NotFound, TooMany
from careapp.identity import attempts
from careapp.identity.actors import public_actor
from careapp.operations.tenants import tenant_id_of
from careapp.overviews.prescription_paper import Confirmed, Paper, get_paper, verify_paper
from careapp.prescriptions.papers import signing_key
from careapp.prescriptions.states import ISSUED
from careapp.surface.actors import current_actor, public, requires
from careapp.surface.sessions import peer, secret_keys
from careapp.web.forms.verify import VerifyForm
from careapp.web.htmx import page_or_fragment
from careapp.web.prescription_pdf import A5, fit, pdf_of, too_long
from careapp.web.prescription_sheet import Sheet, confirmed_facts, sheet_of, stands

bp = Blueprint("prescription_print", __name__)

PAPER, VERIFY = "prescriptions/paper.html", "prescriptions/verify.html"
SMALLEST = 7  # points of the print page's text


@bp.get("/prescriptions/<locator>/paper")
@requires(Permission.PRESCRIPTION_READ)
def paper(locator: str) -> Response:
    """The print page."""
    return _paper_page(get_paper(current_actor(), locator, kind="page"))


@bp.get("/prescriptions/<locator>/paper.pdf")
@requires(Permission.PRESCRIPTION_READ)
def paper_pdf(locator: str) -> Response:
    """The PDF, shown by the browser and saved under the prescription's number; else the print page, which says why."""
    printed = get_paper(current_actor(), locator, kind="pdf")
    try:
        response = make_response(pdf_of(_sheet(printed)))
    except Conflict as refusal:
        return _paper_page(printed, refusal)
    response.mimetype = "application/pdf"
    response.headers["Content-Disposition"] = f'inline; filename="{printed.locator}.pdf"'
    response.cache_control.no_store = True
    return response


@bp.get("/verify")
@public
def verify() -> Response:
    """The form, with the clinic and the number where the address brings them."""
    return page_or_fragment(VERIFY, VERIFY, form=VerifyForm(request.args.to_dict()), confirmed=None)


@bp.post("/verify")
@public
def verify_post() -> Response:
    """Say whether the paper is genuine, and how its prescription stands now. Nothing is changed, so no 303."""
    form = VerifyForm()
    try:
        sent = form.checked()
        attempts.admit_code(peer())
        confirmed = _confirmed(sent.clinic, sent.prescription, sent.code)
    except Invalid:
        return page_or_fragment(VERIFY, VERIFY, 422, form=form, confirmed=None)
    except NotFound:
        attempts.count_code_failure(peer())
        form.form_errors.append(_not_confirmed())
        return page_or_fragment(VERIFY, VERIFY, 422, form=form, confirmed=None)
    except TooMany as refusal:
        return _wait(form, refusal)
    return _confirmed_page(confirmed, sent.clinic)


def _confirmed_page(confirmed: Confirmed, clinic: str) -> Response:
    """What is known of a genuine paper, and the form for the next one of that clinic."""
    return page_or_fragment(
        VERIFY, VERIFY, form=VerifyForm({"clinic": clinic}), confirmed=confirmed, facts=confirmed_facts(confirmed),
        said=stands(confirmed), holds=confirmed.status == ISSUED,
    )  # fmt: skip


def _confirmed(clinic: str, locator: str, code: str) -> Confirmed:
    """What is known of a paper; NotFound just the same for an unknown clinic, an unknown number and a wrong code."""
    known = tenant_id_of(clinic)
    if known is None:
        raise NotFound()
    return verify_paper(public_actor(known, clinic), locator.upper(), code=code, keys=_keys())


def _not_confirmed() -> str:
    return _(
        "This paper is not confirmed. Compare clinic code, number and code with the paper, sign by sign. "
        "If they are right, do not fill it: call the clinic."
    )


def _wait(form: VerifyForm, refusal: TooMany) -> Response:
    form.form_errors.append(_("Too many tries. Wait %(seconds)s seconds, then try again.", seconds=refusal.retry_after))
    response = page_or_fragment(VERIFY, VERIFY, refusal.status, form=form, confirmed=None)
    response.headers["Retry-After"] = str(refusal.retry_after)
    return response


def _paper_page(printed: Paper, refusal: Conflict | None = None) -> Response:
    """The print page; where the PDF was refused, with the reason on it."""
    sheet = _sheet(printed)
    page = fit(sheet)
    return page_or_fragment(
        PAPER, PAPER, refusal.status if refusal else 200, alert=refusal.detail if refusal else None, paper=printed,
        sheet=sheet, too_long=None if page else too_long(), small=bool(page and page.width == A5[0]),
        text_size=round(10 * page.scale) if page else SMALLEST,
    )  # fmt: skip


def _sheet(printed: Paper) -> Sheet:
    verify_at = f"{request.url_root}verify"
    return sheet_of(printed, key=_keys()[0], verify_at=verify_at, printed_by=current_actor().label)


def _keys() -> list[bytes]:
    return [signing_key(secret) for secret in secret_keys()]
