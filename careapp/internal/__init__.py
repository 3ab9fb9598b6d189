"""Internal routes for the member portal, with a service credential instead of a token."""
