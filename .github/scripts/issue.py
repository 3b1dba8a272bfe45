#!/usr/bin/env python3
"""Opens an issue for a night that found a confirmed regression, or could not measure; comments where one is open.

    issue.py NIGHTS     NIGHTS holds nightly.json and nightly.md of every device, in folders

One open issue per machine and kind: `npubench-regression` where measuring again confirmed it, `npubench-invalid` where
a measurement is invalid or missing. Nothing is told where there is no baseline yet (5) or the command is wrong (2): the
job is red, and its summary says what to do. Standard library only. From the environment: GITHUB_TOKEN,
GITHUB_REPOSITORY, GITHUB_API_URL, GITHUB_SERVER_URL, GITHUB_RUN_ID.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import urllib.request
from pathlib import Path
from typing import Any

REGRESSION, INVALID = "npubench-regression", "npubench-invalid"
# "body is too long (maximum is 65536 characters)"
_LIMIT = 65_000
_TITLE_LIMIT = 200


def kinds(night: dict[str, Any]) -> list[str]:
    """The labels under which a night is told."""
    cells = (night.get("comparison") or {}).get("cells") or []
    confirmed = any(
        metric.get("verdict") == "regressed" and metric.get("confirmed") is True
        for cell in cells
        for metric in cell.get("metrics") or []
    )
    codes = night.get("codes") or []
    found = [REGRESSION] if confirmed and 3 in codes else []
    return [*found, INVALID] if 4 in codes else found


def plain(text: str, limit: int = _TITLE_LIMIT) -> str:
    """One line without control characters; people are not called by an @ of somebody else's."""
    line = "".join(letter if letter.isprintable() else " " for letter in text[: 2 * limit])
    return re.sub(r"\s+", " ", line.replace("@", "@\u200b")).strip()[:limit]


def marker(label: str, machine: str) -> str:
    """What an issue of this machine and kind has in its body; a digest, so that a name cannot end the comment."""
    return f"<!-- {label} {hashlib.sha256(machine.encode()).hexdigest()[:16]} -->"


def body(night: dict[str, Any], page: str, label: str) -> str:
    """The page of the night, and where it was made."""
    server, repository, run = (
        os.environ.get(name, "") for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    )
    end = f"\n\n{server}/{repository}/actions/runs/{run}\n{marker(label, str(night.get('machine')))}\n"
    room = _LIMIT - len(end)
    if len(page) > room:
        page = page[: page.rfind("\n", 0, room)]
    return page + end


class Hub:
    """The issues of the repository."""

    def __init__(self) -> None:
        repository = os.environ["GITHUB_REPOSITORY"]
        self._issues = f"{os.environ.get('GITHUB_API_URL', 'https://api.github.com')}/repos/{repository}/issues"

    def _ask(self, url: str, data: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the server that runs this job
            url,
            None if data is None else json.dumps(data).encode(),
            {
                "Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}",
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": "2022-11-28",
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.load(answer)

    def open_one(self, label: str, mark: str) -> int | None:
        """The number of the open issue with this mark."""
        for page in range(1, 11):
            found = self._ask(f"{self._issues}?state=open&labels={label}&per_page=100&page={page}")
            for issue in found:
                if mark in (issue.get("body") or "") and "pull_request" not in issue:
                    return int(issue["number"])
            if len(found) < 100:
                return None
        return None

    def comment(self, number: int, text: str) -> None:
        self._ask(f"{self._issues}/{number}/comments", {"body": text})

    def create(self, title: str, text: str, label: str) -> int:
        return int(self._ask(self._issues, {"title": title, "body": text, "labels": [label]})["number"])


_TITLES = {REGRESSION: "slower", INVALID: "not measured"}


def main(folder: Path) -> None:
    """Tells every night below `folder`."""
    for path in sorted(folder.rglob("nightly.json")):
        night = json.loads(path.read_text(encoding="utf-8"))
        page_path = path.with_suffix(".md")
        page = page_path.read_text(encoding="utf-8") if page_path.is_file() else ""
        machine = str(night.get("machine"))
        for label in kinds(night):
            hub = Hub()
            text = body(night, page, label)
            number = hub.open_one(label, marker(label, machine))
            if number is not None:
                hub.comment(number, text)
                print(f"commented on #{number} ({label})")  # noqa: T201
            else:
                sentence = str((night.get("sentence") or {}).get("en") or "")
                number = hub.create(plain(f"{machine}: {_TITLES[label]}: {sentence}"), text, label)
                print(f"opened #{number} ({label})")  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
