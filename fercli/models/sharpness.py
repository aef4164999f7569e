"""Sharpness-aware minimization: learn weights whose whole neighborhood has a low loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fercli.common.errors import DependencyError
from fercli.models.backend import load_keras

if TYPE_CHECKING:
    from keras import Model


def sharpness_aware(model: Model, distance: float) -> Model:
    """Return a model of the same layers that `fit` trains sharpness-aware.

    Each step takes the gradient at the weights, goes `distance` along it, uphill, takes the
    gradient there, and updates the weights where they were by that one: it costs two steps.
    Labels that are wrong by chance are learned by heart less.
    Source: Foret et al., "Sharpness-aware minimization for efficiently improving generalization",
    ICLR 2021 (arXiv 2010.01412), equations 2 and 3.

    Parameters
    ----------
    model : keras.Model
    distance : float
        In the Euclidean norm over all trainable weights; their rho.

    Raises
    ------
    DependencyError
        Keras runs on another backend than TensorFlow.
    """
    keras = load_keras()
    if keras.backend.backend() != "tensorflow":
        raise DependencyError(
            f"`sharpness` needs TensorFlow, and Keras runs on {keras.backend.backend()}",
            hint="set KERAS_BACKEND=tensorflow, or remove `sharpness`",
        )
    import tensorflow as tf

    class SharpnessAware(keras.Model):  # type: ignore[misc,name-defined]
        def train_step(self, data: Any) -> Any:
            images, targets, weights = keras.utils.unpack_x_y_sample_weight(data)
            variables = self.trainable_variables
            values = [variable.value for variable in variables]
            with tf.GradientTape() as tape:
                answers = self(images, training=True)
                loss = self.compute_loss(images, targets, answers, weights)
            uphill = tape.gradient(loss, values)
            scale = distance / (tf.linalg.global_norm(uphill) + 1e-12)
            steps = [scale * part for part in uphill]
            for value, step in zip(values, steps, strict=True):
                value.assign_add(step)
            with tf.GradientTape() as tape:
                there = self.compute_loss(images, targets, self(images, training=True), weights)
                there = self.optimizer.scale_loss(there)
            gradients = tape.gradient(there, values)
            for value, step in zip(values, steps, strict=True):
                value.assign_sub(step)
            self.optimizer.apply(gradients, variables)
            next(metric for metric in self.metrics if metric.name == "loss").update_state(loss)
            return self.compute_metrics(images, targets, answers, weights)

    return SharpnessAware(model.inputs, model.outputs, name=model.name)
