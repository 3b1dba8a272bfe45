"""Stand-ins for what is not here: servers and vendors' SDKs, with the faults of the real ones as switches."""
