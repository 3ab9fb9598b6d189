"""Identity: staff users, their passwords and sessions, and the tokens of other systems."""
