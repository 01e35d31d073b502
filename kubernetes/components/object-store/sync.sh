#!/bin/sh
# sync.sh SOURCE FOLDER [SECONDS]: copies the models once, or again every SECONDS.
# saved_model.pb comes after everything else of its version, as whoever publishes writes it last:
# the server takes it as the sign that a version is whole. What the pipeline's retention removed
# is removed here only after the new files have come.
set -eu
once() {
  rclone copy "$1" "$2" --exclude '**/saved_model.pb' --exclude '**/PUSHED.json'
  rclone sync "$1" "$2" --delete-after
}
once "$1" "$2"
[ -n "${3:-}" ] || exit 0
while :; do
  sleep "$3"
  # The store may be away for a while: the models that are here go on answering.
  once "$1" "$2" || echo "sync failed, next try in $3 s" >&2
done
