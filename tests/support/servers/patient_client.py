"""Asks one query every so often, in a process of its own: what others do in the tests' costs it nothing.

python patient_client.py HOST PORT SOURCE_ADDRESS QUESTIONS PAUSE < BODY

Writes a line per query: the seconds from when it was due, so that one that waits makes the next ones late.
"""

from __future__ import annotations

import http.client
import json
import sys
import time


def main() -> None:
    host, port, source, questions, pause = sys.argv[1:]
    body = sys.stdin.buffer.read()
    began = time.monotonic()
    for number in range(1, int(questions) + 1):
        due = began + number * float(pause)
        time.sleep(max(0.0, due - time.monotonic()))
        connection = http.client.HTTPConnection(host, int(port), timeout=30, source_address=(source, 0))
        try:
            connection.request("POST", "/v1/models/m:predict", body)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status != 200 or len(json.loads(text)["predictions"]) != 1:
            sys.exit(f"{answer.status}: {text.decode(errors='replace')}")
        sys.stdout.write(f"{time.monotonic() - due}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
