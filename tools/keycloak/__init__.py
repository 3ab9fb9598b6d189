"""A real Keycloak on this machine, for tests."""
