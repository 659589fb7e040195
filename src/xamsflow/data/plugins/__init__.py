"""strax plugins: from live data to data types."""
