"""Tests of the audit log's chain: sealing, verifying, anchors, retention."""
