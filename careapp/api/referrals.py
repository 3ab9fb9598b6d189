"""Referrals over JSON."""

from typing import Annotated

from flask import Response

from careapp.access import Permission
from careapp.api.blueprint import PREFIX, api
from careapp.api.moves import each_move
from careapp.referrals import queries, service
from careapp.referrals.states import PRIORITIES, REFERRAL, TYPES
from careapp.referrals.views import ReferralPage, ReferralView
from careapp.surface.actors import current_actor, requires
from careapp.surface.answers import created, tagged
from careapp.surface.fields import ActionIn, Among, Line, Moment, Paged, Sent, Words


class ReferralIn(Sent):
    """What makes a referral."""

    type: Annotated[str, Among(TYPES)]
    reason: Words
    priority: Annotated[str, Among(PRIORITIES)] = "ROUTINE"
    facility: Line | None = None


class BookIn(ActionIn):
    """When and where a referral will be done."""

    scheduled_for: Moment | None = None
    facility: Line | None = None


class CompleteIn(ActionIn):
    """What came of a referral."""

    outcome: Words | None = None


@api.post("/episodes/<locator>/referrals")
@requires(Permission.REFERRAL_WRITE)
@api.input(ReferralIn)
@api.output(ReferralView, 201)
@api.doc(tags=["Referrals"])
def refer(locator: str, json_data: ReferralIn) -> Response:
    """Create a referral."""
    actor = current_actor()
    return created(actor, lambda: service.refer(actor, locator, **json_data.model_dump()), f"{PREFIX}/referrals")


@api.get("/episodes/<locator>/referrals")
@requires(Permission.REFERRAL_VIEW)
@api.input(Paged, location="query")
@api.output(ReferralPage)
@api.doc(tags=["Referrals"])
def list_referrals(locator: str, query_data: Paged) -> Response:
    """List an episode's referrals, newest first."""
    return tagged(queries.list_referrals(current_actor(), locator, **query_data.model_dump()))


@api.get("/referrals/<locator>")
@requires(Permission.REFERRAL_VIEW)
@api.output(ReferralView)
@api.doc(tags=["Referrals"])
def get_referral(locator: str) -> Response:
    """Get a referral."""
    return tagged(queries.get_referral(current_actor(), locator))


each_move(
    REFERRAL, "/referrals", ReferralView, service.act, Permission.REFERRAL_VIEW,
    bodies={"book": BookIn, "complete": CompleteIn},
)  # fmt: skip
