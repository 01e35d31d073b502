"""`python -m serving.app`, which `marquee app` runs."""

import sys

from serving.app.command import main

if __name__ == "__main__":
    sys.exit(main())
