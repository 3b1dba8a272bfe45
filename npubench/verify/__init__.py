"""Re-derives what a run says from its raw evidence, and packs runs so that others can do the same.

Needs no runtime and no device: it runs on any machine. Not aware of: how anything is measured.
"""
