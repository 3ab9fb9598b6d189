"""API: the JSON routes under /api/v1; one file a domain, errors as problem+json."""
