"""`python -m cacheness`."""

import sys

from cacheness.cli import main

sys.exit(main())
