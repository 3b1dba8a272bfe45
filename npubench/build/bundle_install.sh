#!/usr/bin/env bash
# Installs npubench from this unpacked bundle: into .venv and bundle/cache of this folder, without a network.
# 이 폴더에 풀린 번들에서 npubench를 설치합니다: .venv와 bundle/cache에, 네트워크 없이.
set -euo pipefail
cd "$(dirname "$0")"

ko() { case "${NPUBENCH_LANG:-${LC_ALL:-${LC_MESSAGES:-${LANG:-}}}}" in ko*) true ;; *) false ;; esac; }
say() { if ko; then echo "$2"; else echo "$1"; fi; }
fail() { say "install.sh: $1" "install.sh: $2" >&2; exit "${3:-2}"; }

wanted=$(sed -n 's/.*"machine": "\([^"]*\)".*/\1/p' bundle/bundle.json)
[ "$(uname -m)" = "$wanted" ] ||
    fail "this bundle is for $wanted; this machine is $(uname -m). Make one there: make bundle" \
        "이 번들은 $wanted용입니다. 이 장비: $(uname -m). 그런 장비에서 make bundle로 다시 만드십시오"
command -v make >/dev/null || fail "make is missing; install it from your system's packages" "make가 없습니다. 시스템 패키지로 설치하십시오"

say "checking every file …" "모든 파일 확인 중 …"
sha256sum --quiet --check SHA256SUMS ||
    fail "files are damaged or missing; unpack the archive again" "손상되거나 빠진 파일이 있습니다. 다시 푸십시오"

make --no-print-directory setup || exit $?

cards=()
[ -d bundle/cards ] && cards=(--cards bundle/cards)
missing=0
while read -r backend; do
    .venv/bin/npubench env sync "$backend" "${cards[@]}" || missing=1
done <bundle/backends

if [ "$missing" = 1 ]; then
    fail "a backend's environment could not be installed; INSTALL.txt says what was left out and how to get it" \
        "설치하지 못한 백엔드 환경이 있습니다. 빠진 것과 구하는 방법은 INSTALL.txt에 있습니다" 4
fi
say "done: make bench" "완료: make bench"
