"""``python -m exporter`` is ``presto-query-exporter``."""

import sys

from exporter.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
