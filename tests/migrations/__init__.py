"""Tests of migrations that run while the application serves, in the version before and in this one."""
