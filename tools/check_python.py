"""Say in one sentence why this Python cannot run the service, if so.

Kept to what an old Python can read, since an old Python is what it looks for.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - it runs on whatever `python3` is
    found = f"{sys.version_info[0]}.{sys.version_info[1]}"
    sys.exit(f"Python 3.11 or newer is needed, and this is {found}; try `make PYTHON=python3.12`.")

try:
    import ensurepip  # noqa: F401
    import venv  # noqa: F401
except ImportError:
    sys.exit("Python's venv module is missing (on Debian: `apt-get install python3-venv`).")
