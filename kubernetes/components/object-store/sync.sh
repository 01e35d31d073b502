#!/bin/sh
# sync.sh SOURCE FOLDER [SECONDS]: copies the models once, or again every SECONDS.
# The server takes saved_model.pb as the sign that a version is whole, and whoever publishes
# writes it last. So: note which versions have it, copy everything else, then copy those that were
# noted; a version that is published meanwhile waits for the next round.
set -eu
all=${TMPDIR:-/tmp}/all.txt
whole=${TMPDIR:-/tmp}/whole.txt
once() {
  before=" $(echo "$2"/*/*/) "
  rclone lsf "$1" --recursive --files-only > "$all" || return 1
  grep -x '[^/]*/[^/]*/saved_model.pb' "$all" > "$whole" || { echo "no version in $1" >&2; return 1; }
  rclone copy "$1" "$2" --exclude '/*/*/saved_model.pb' || return 1
  rclone copy "$1" "$2" --files-from "$whole" || return 1
  for version in "$2"/*/*/; do
    name=${version#"$2"/}
    sign=${version}saved_model.pb
    # What the pipeline's retention removed; the sign that it is whole goes first.
    if [ -e "$sign" ] && ! grep -qxF "${name}saved_model.pb" "$whole"; then
      rm "$sign" && rm -r "$version"
    # And what was withdrawn before it was whole: here before the store was listed, and not in it.
    elif [ "${before#* "$version" }" != "$before" ] &&
      ! awk -v name="$name" 'index($0, name) == 1 { found = 1 } END { exit !found }' "$all"; then
      rm -r "$version"
    fi
  done
}
once "$1" "$2"
[ -n "${3:-}" ] || exit 0
while sleep "$3"; do
  # The store may be away for a while: the models that are here go on answering.
  once "$1" "$2" || echo "sync failed, next try in $3 s" >&2
done
