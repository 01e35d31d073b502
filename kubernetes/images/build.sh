#!/usr/bin/env bash
# Build the images of the subfolders (make images) with podman or docker and print their sizes.
#   BASE     image with python3.11 and its venv module (default: the Dockerfiles')
#   IMAGES   which ones (default: every subfolder with a Dockerfile)
#   PREFIX   in front of the name, such as registry.example/team/
#   VERSION  tag (default: pyproject.toml's version)
# What each holds is written to build/sbom-IMAGE.json (CycloneDX).
#   ENGINE   podman or docker (default: the first of them there is)
# pip's settings on this machine (index, proxy, certificates) reach the build as secrets.
set -euo pipefail
cd "$(dirname "$0")/../.."

engine=${ENGINE:-}
for candidate in podman docker; do
  [ -n "$engine" ] || ! command -v "$candidate" >/dev/null 2>&1 || engine=$candidate
done
[ -n "$engine" ] || { echo "error: neither podman nor docker was found; install one, or name it: make images ENGINE=/path/to/it" >&2; exit 2; }
version=${VERSION:-$(sed -nE 's/^version = "([^"]+)"$/\1/p' pyproject.toml)}

secrets=$(mktemp -d)
trap 'rm -rf "$secrets"' EXIT
python=.venv/bin/python
[ -x "$python" ] || python=python3
# `pip config list` knows every file and variable that pip reads; the last of a name counts. Of where packages
# come from alone: others, such as a file of constraints, name what a build does not see.
network='index-url|extra-index-url|trusted-host|proxy|timeout|default-timeout|retries|cert'
settings=$("$python" -m pip config list 2>/dev/null | sed -nE "s/^(global|install|:env:)\.($network)='(.*)'$/\2 = \3/p" || true)
authority=$(sed -n 's/^cert = //p' <<<"$settings" | tail -n 1)
cat "${authority:-/dev/null}" > "$secrets/ca"
{
  echo "[global]"
  sed '/^cert = /d' <<<"$settings" | tac | awk -F ' = ' 'NF && !seen[$1]++' | sed 's/\\n/\n    /g'
  [ -z "$authority" ] || echo "cert = /run/secrets/ca"
} > "$secrets/pip"

arguments=(--network host --build-arg "VERSION=$version" --secret "id=pip,src=$secrets/pip" --secret "id=ca,src=$secrets/ca")
[ -z "${BASE:-}" ] || arguments+=(--build-arg "BASE=$BASE")
# OCI's format has no HEALTHCHECK.
[[ $(basename "$engine") != podman ]] || arguments+=(--format docker)

all=$(cd kubernetes/images && ls -d -- */ | tr -d / | xargs)
built=()
for image in ${IMAGES:-$all}; do
  dockerfile=kubernetes/images/$image/Dockerfile
  [ -f "$dockerfile" ] || { echo "error: there is no image '$image'; expected some of: $all" >&2; exit 2; }
  echo "images: building ${PREFIX:-}marquee-$image:$version with $engine"
  "$engine" build "${arguments[@]}" --file "$dockerfile" --tag "${PREFIX:-}marquee-$image:$version" .
  mkdir -p build
  "$python" -m tools.sbom "$image" > "build/sbom-$image.json"
  built+=("${PREFIX:-}marquee-$image:$version")
done
for name in "${built[@]}"; do
  "$engine" image inspect "$name" --format "$name  {{.Size}} bytes, user {{.Config.User}}"
done
