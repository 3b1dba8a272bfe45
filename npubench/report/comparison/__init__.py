"""A comparison for machines and reviewers: Markdown, JUnit XML, annotations of GitHub Actions. Pure functions."""
