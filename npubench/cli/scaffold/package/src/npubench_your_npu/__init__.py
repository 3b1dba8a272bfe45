"""your-npu for npubench. Imports nothing of the SDK: cards are read where there is none."""

from pathlib import Path


def cards_folder() -> Path:
    """The folder with `backends/*.toml`: the entry point of the group `npubench.cards`."""
    return Path(__file__).parent / "cards"
