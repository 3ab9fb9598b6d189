"""Tests of providers and clinics."""
