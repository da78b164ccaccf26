"""The facade: what tests and scripts hold in their hands (ScfRuntime and the handles it gives out)."""
