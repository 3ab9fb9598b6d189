"""Tests of the demo clinic."""
