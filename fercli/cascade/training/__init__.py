"""The training of cascades by fer's own engine."""
