"""Disclosure: whose record may be shown to whom, beyond what a role allows. docs/security/access.md lists the rules."""
