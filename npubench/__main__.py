"""`python -m npubench` is the same program as the `npubench` command."""

from npubench.cli import main

if __name__ == "__main__":
    main()
