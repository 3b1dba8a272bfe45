"""Adapters: one module per runtime, each behind an entry point. Nothing imports this package by name."""
