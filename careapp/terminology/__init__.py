"""Terminology: code lists that clinics choose from; they belong to no tenant."""
