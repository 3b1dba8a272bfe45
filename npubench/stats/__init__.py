"""Numbers from samples: pure functions, no files, no processes."""
