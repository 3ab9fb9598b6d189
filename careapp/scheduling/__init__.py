"""Scheduling: slots providers offer, appointments booked into them, and the rules that keep both true."""
