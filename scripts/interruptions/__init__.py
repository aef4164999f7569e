"""Interrupt fer at random moments, and see that nothing half-written stands under a final name."""
