"""Programs that train; run from a checkout. The file makes this folder win over an installed `trainers`."""
