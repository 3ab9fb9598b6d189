"""Programs for developing careapp; nothing here is part of the product."""
