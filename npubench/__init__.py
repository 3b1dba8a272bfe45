"""npubench: what each device really delivers for CCTV detection, document reading and language models.

This package root imports nothing, so that `import npubench` costs nothing in a vendor's environment.
"""

__version__ = "0.1.0"
