"""Training of the suite's small networks, with torch; anyone can repeat it. Nothing else in npubench imports this."""
