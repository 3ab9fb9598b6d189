"""Providers: who gives care, at which clinics, and whether the network has them."""
