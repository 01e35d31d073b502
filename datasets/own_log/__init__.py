"""What somebody's own log looks like, and which of its columns probably mean what."""
