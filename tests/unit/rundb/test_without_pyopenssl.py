import importlib.util
import subprocess
import sys

import pytest

LOADED = """
import sys
import xamsflow.rundb
from pymongo import ssl_support
print("cryptography" in sys.modules, ssl_support.HAVE_SSL)
"""


@pytest.mark.skipif(importlib.util.find_spec("OpenSSL") is not None, reason="PyOpenSSL is here")
def test_cryptography_is_not_loaded_in_vain_and_tls_is_there():
    said = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True
    ).stdout
    assert said.split() == ["False", "True"]
