"""The one way to another host.

::

    ssh  connections that look, copy and forward, with host keys checked
"""
