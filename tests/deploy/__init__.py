"""Tests of what is deployed: manifests as kustomize builds them, against the published schemas and rules of our own."""
