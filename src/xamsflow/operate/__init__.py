"""What people do: ask for runs, watch, plan, look for faults and repair them."""
