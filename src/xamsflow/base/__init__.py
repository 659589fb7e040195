"""What every room may use: errors, time, amounts, memory, files."""
