"""Tests of what all domains share: audit, events, versions, scope, paging, idempotency keys."""
