"""Versioned ruleset files: bounds, minimums and thresholds, never constants in code."""
