"""Programs that export; run from a checkout."""
