"""Pages of administration, one file a subject."""
