"""The one way to another host: ssh."""
