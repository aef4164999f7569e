"""Seeds of random numbers."""

#: Keras and scikit-learn take 32 bits.
HIGHEST_SEED = 2**32 - 1
