#!/usr/bin/env python3
"""Makes recipients.csv again, or a larger one: python3 examples/make_recipients.py big.csv --rows 50000."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from api.demo_recipients import main

if __name__ == "__main__":
    main()
