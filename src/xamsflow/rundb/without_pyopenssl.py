"""Spares pymongo the look for PyOpenSSL where there is none; to be imported before it.

pymongo would load half of the package cryptography, 0.05 s in each job, before it finds that
PyOpenSSL is missing, and takes Python's own ssl then.
"""

import sys
from importlib.util import find_spec

if find_spec("OpenSSL") is None:
    sys.modules.setdefault("pymongo.pyopenssl_context", None)  # type: ignore[arg-type]
