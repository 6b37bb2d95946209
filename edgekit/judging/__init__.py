"""Statistics of a proof that every task shares: bounds, verdicts, latency. No torch."""
