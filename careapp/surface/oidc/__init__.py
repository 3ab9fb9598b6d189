"""OpenID Connect: this application as a client of one identity provider, chosen by settings (ADR 13)."""
