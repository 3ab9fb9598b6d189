"""Referrals: orders for a laboratory, imaging or a specialist inside an episode."""
