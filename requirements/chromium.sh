#!/usr/bin/env bash
# Debian's Chromium for the browser tests: installed where apt-get as root can, else says what is missing.
set -euo pipefail
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "set-up: installing Debian's chromium for the browser tests"
  { timeout 120 apt-get update -qq && timeout 600 apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1 && exit 0
fi
echo "warning: there is no Chromium and it cannot be installed here; the browser tests are SKIPPED. As root: apt-get install chromium" >&2
