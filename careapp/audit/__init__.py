"""Audit: who did or saw what, about whom; written in the transaction it speaks of, never changed afterwards."""
