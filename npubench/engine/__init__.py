"""The engine: plans, starts, measures and watches launches. Imports nothing: a worker loads only what it needs."""
