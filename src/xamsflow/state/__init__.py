"""What the workflow keeps on disk: receipts, claims, locks, and where each file lies."""
