"""Mining: the negatives of a stage, out of background images."""

from fercli.cascade.training.negative_mining.miner import MiningResult, NegativeMiner

__all__ = ["MiningResult", "NegativeMiner"]
