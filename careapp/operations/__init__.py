"""Operations: tenants and their settings, the desk for parked events, what was imported from elsewhere."""
