#!/usr/bin/env bash
# The night's page as the job's summary. Its Markdown is escaped by npubench and under 65 kB; a summary takes 1 MiB.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
page="${REPORTS:-reports}/nightly.md"
if [[ -f "$page" ]]; then
    cat -- "$page" >>"$GITHUB_STEP_SUMMARY"
else
    echo "No page was written: the night was stopped, and the next one goes on with it; or setting up failed, or the command was refused." \
        >>"$GITHUB_STEP_SUMMARY"
fi
