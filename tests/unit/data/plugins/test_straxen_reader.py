import subprocess
import sys

CHECK = """
import sys
from xamsflow.data.plugins.straxen_reader import DAQReader
assert "straxen" not in sys.modules and "bokeh" not in sys.modules
import straxen
assert straxen.DAQReader is DAQReader
"""


def test_it_is_straxens_own_class_and_costs_none_of_the_rest():
    subprocess.run([sys.executable, "-c", CHECK], check=True)
