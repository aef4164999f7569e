"""Batch normalisation in one operation, for training on TensorFlow's CPU.

Keras computes means, variances and the normalisation one after the other, in float32; TensorFlow's
fused operation does all in one pass, and its gradient in another. The results are the same but
for rounding (in mixed precision, the output is rounded to it a step earlier).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from fercli.models.backend import load_keras

if TYPE_CHECKING:
    from keras import Model
    from keras.layers import BatchNormalization


def with_fused_normalisations(model: Model) -> Model:
    """Return a model of new weights whose batch normalisations are `fused_normalisation`'s.

    Only for TensorFlow. Layers keep their names, their order and the shapes of their weights.
    """
    keras = load_keras()

    def fused(layer: Any) -> Any:
        normalises = type(layer) is keras.layers.BatchNormalization
        kind = fused_normalisation() if normalises else type(layer)
        return kind.from_config(layer.get_config())

    return keras.models.clone_model(model, clone_function=fused)


@cache
def fused_normalisation() -> type[BatchNormalization]:
    """Return the layer, a subclass of Keras's own with the same options and weights."""
    import tensorflow as tf

    class FusedBatchNormalization(load_keras().layers.BatchNormalization):  # type: ignore[misc]
        def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
            renormalises = getattr(self, "renorm", False)  # an option of later Keras alone
            plain = not (self.scale and self.center and self.axis in (-1, 3)) or renormalises
            if not (training and self.trainable) or len(inputs.shape) != 4 or plain:
                return super().call(inputs, training=training, mask=mask)
            outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
                x=inputs,
                scale=tf.convert_to_tensor(self.gamma),
                offset=tf.convert_to_tensor(self.beta),
                mean=tf.zeros(0),
                variance=tf.zeros(0),
                epsilon=self.epsilon,
                is_training=True,
            )
            count = tf.cast(tf.size(inputs) / tf.shape(inputs)[-1], variance.dtype)
            self._follow(self.moving_mean, mean)
            self._follow(self.moving_variance, variance * (count - 1) / count)
            return outputs

        def _follow(self, average: Any, value: Any) -> None:
            average.assign(average * self.momentum + value * (1 - self.momentum))

    return FusedBatchNormalization
