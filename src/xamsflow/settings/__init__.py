"""What a site chooses: its configuration, its detector, its corrections."""
