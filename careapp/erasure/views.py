"""What whoever decides about an erasure is shown."""

from collections.abc import Sequence
from datetime import datetime

from careapp.views import View


class HoldView(View):
    """One legal hold; it stands while `lifted_at` is empty."""

    id: int
    reason: str
    set_by: str
    set_at: datetime
    lifted_by: str | None
    lifted_at: datetime | None


class ErasureView(View):
    """One patient as the page of erasure shows him, with all that speaks against erasing him now.

    `name` is None for whoever may not see his record: the number says who it is. `kept_until` is the end of his
    retention. `clinical` says whether anything clinical was ever recorded of him.
    """

    locator: str
    name: str | None
    version: int
    erased_at: datetime | None
    open_episodes: Sequence[str]
    clinical: bool
    kept_until: datetime
    holds: Sequence[HoldView]
