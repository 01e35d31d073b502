#!/bin/sh
# sync.sh SOURCE FOLDER [SECONDS]: copies the models once, or again every SECONDS.
# The server takes saved_model.pb as the sign that a version is whole, and whoever publishes
# writes it last. So: note which versions have it, copy everything else, then copy those that were
# noted; a version that is published meanwhile waits for the next round.
set -eu
whole=${TMPDIR:-/tmp}/whole.txt
once() {
  rclone lsf "$1" --recursive --files-only --include '/*/*/saved_model.pb' > "$whole" || return 1
  [ -s "$whole" ] || { echo "no version in $1" >&2; return 1; }
  rclone copy "$1" "$2" --exclude '/*/*/saved_model.pb' || return 1
  rclone copy "$1" "$2" --files-from "$whole" || return 1
  # What the pipeline's retention removed; the sign that it is whole goes first.
  for sign in "$2"/*/*/saved_model.pb; do
    grep -qxF "${sign#"$2"/}" "$whole" || { rm "$sign" && rm -r "${sign%/*}"; }
  done
}
once "$1" "$2"
[ -n "${3:-}" ] || exit 0
while sleep "$3"; do
  # The store may be away for a while: the models that are here go on answering.
  once "$1" "$2" || echo "sync failed, next try in $3 s" >&2
done
