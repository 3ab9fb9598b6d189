"""Encryption of single columns with keys that rotate; whoever reads only the database reads nothing in them."""
