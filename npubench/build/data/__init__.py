"""The input data that npubench brings along: drawn or composed by our code from seeds, committed as bytes.

`sets` writes and verifies the folders `models/data/<id>/`; `streets`, `documents` and `prompts` make what is in them.
Nobody real appears in any of it. Importing this package imports none of them.
"""
