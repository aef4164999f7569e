import numpy as np
import pytest

from fercli.common.errors import DependencyError
from fercli.models.backend import load_keras
from fercli.models.sharpness import sharpness_aware


def test_a_step_by_hand():
    """Of the loss w² at 2 the gradient is 4; half a step uphill it is 5: 2 - 0.1 * 5."""
    keras = load_keras()
    start = keras.initializers.Constant(2.0)
    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer=start)
    plain = keras.Sequential([keras.Input((1,)), layer])
    model = sharpness_aware(plain, 0.5)
    model.compile(keras.optimizers.SGD(0.1), loss="mean_squared_error")
    history = model.fit(np.ones((1, 1)), np.zeros((1, 1)), verbose=0).history
    assert history["loss"] == [pytest.approx(4.0)]
    assert float(layer.kernel[0, 0]) == pytest.approx(1.5)


def test_needs_tensorflow(monkeypatch):
    keras = load_keras()
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(DependencyError, match="needs TensorFlow, and Keras runs on torch"):
        sharpness_aware(model, 0.05)
