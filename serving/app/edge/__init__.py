"""Around every request: limits, headers, logs, metrics, traces."""
