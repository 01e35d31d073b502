"""The picture at the top of the README, from generated data alone.

    python -m tools.screenshot artifacts/screenshot docs/images/for-you.jpg

Generates the sample into the folder, starts `marquee demo` on it (which trains the model the first time:
minutes), likes three items of one taste, and photographs the page with Debian's Chromium.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

_PORT = 8099
_TASTE = "Sci-Fi"
_LIKES = 3
_WIDTH, _HEIGHT, _QUALITY = 1280, 860, 82
_LARGEST_BYTES = 200_000


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="for the generated data and the artifacts; may be kept")
    parser.add_argument("picture", type=Path, help="JPEG to write")
    args = parser.parse_args()
    data, python = args.folder / "data", [sys.executable, "-m", "pipeline.cli"]
    if not data.exists():
        subprocess.run([*python, "data", "sample", str(data)], check=True, stdout=subprocess.DEVNULL)
    command = [
        *python, "demo", "--json", "--config", "sample", "--data", str(data),
        "--set", f"artifacts={args.folder / 'artifacts'}", "--port", str(_PORT),
    ]  # fmt: skip
    demo = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert demo.stdout is not None
        for line in demo.stdout:
            said = json.loads(line) if line.startswith('{"page"') else {}
            if said.get("state", "").startswith("ready"):
                _photograph(said["page"], args.picture)
                break
        else:
            print("error: the demo ended before the page was ready", file=sys.stderr)
            return 1
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait(60)
    size = args.picture.stat().st_size
    print(f"{args.picture}: {size:,} bytes")
    return 0 if size <= _LARGEST_BYTES else 1


def _photograph(address: str, picture: Path) -> None:
    picture.parent.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": _WIDTH, "height": _HEIGHT}, color_scheme="light")
        page.set_default_timeout(120_000)
        _like(page, address)
        page.goto(address)
        page.wait_for_timeout(1000)
        page.screenshot(path=picture, type="jpeg", quality=_QUALITY)
        browser.close()


def _like(page: Page, address: str) -> None:
    page.goto(f"{address}/search?column=genres&value={_TASTE}")
    for number in range(_LIKES):
        page.locator(".card [data-key^='like:']").nth(number).click()
        page.locator(".card [aria-pressed=true]").nth(number).wait_for()


if __name__ == "__main__":
    sys.exit(main())
