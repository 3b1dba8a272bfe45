#!/usr/bin/env bash
# Calls `npubench nightly` and ends with its exit code. From the environment: BUDGET, BACKENDS (separated by spaces).
# Outputs: exit_code, run (the id, where there is a run). What is printed in between is no command to the runner.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2

NPUBENCH="${NPUBENCH:-.venv/bin/npubench}"
REPORTS="${REPORTS:-reports}"
outputs="${GITHUB_OUTPUT:-/dev/null}"

refuse() {
    echo "nightly.sh: $1" >&2
    echo "exit_code=2" >>"$outputs"
    exit 2
}

# Whatever is refused from here on: a page that is there, and the run that it names, is tonight's.
rm -f -- "$REPORTS"/nightly.{html,md,xml,json} || refuse "REPORTS: the pages of the night before cannot be removed"

arguments=()
if [[ -n "${BUDGET:-}" ]]; then
    [[ "$BUDGET" =~ ^[0-9.hms]+$ ]] || refuse "BUDGET: expected a duration such as 30m or 3h"
    arguments+=(--budget "$BUDGET")
fi
read -r -d '' -a backends <<<"${BACKENDS:-}"
for backend in "${backends[@]+"${backends[@]}"}"; do
    [[ "$backend" =~ ^[a-z0-9][a-z0-9.-]*$ ]] || refuse "BACKENDS: expected ids such as cpu or cuda, separated by spaces"
    arguments+=(--backend "$backend")
done

# Names of models and messages of drivers are printed; a line of theirs that looks like a command must stay a line.
token="$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"
if [[ "${GITHUB_ACTIONS:-}" == true ]]; then echo "::stop-commands::$token"; fi
"$NPUBENCH" nightly --measured-by ci --report "$REPORTS" "${arguments[@]+"${arguments[@]}"}"
code=$?
if [[ "${GITHUB_ACTIONS:-}" == true ]]; then
    echo
    echo "::$token::"
fi

echo "exit_code=$code" >>"$outputs"
run="$(sed -n 's/^ *"run": *"\([0-9]\{8\}T[0-9]\{6\}Z-[0-9a-f]\{6\}\)",\{0,1\}$/\1/p' "$REPORTS/nightly.json" 2>/dev/null | head -n 1)"
if [[ -n "$run" ]]; then echo "run=$run" >>"$outputs"; fi
exit "$code"
