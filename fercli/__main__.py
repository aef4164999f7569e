"""``python -m fercli`` is ``fer``."""

import sys

from fercli.cli import main

if __name__ == "__main__":
    sys.exit(main())
