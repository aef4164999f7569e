"""The fused batch normalization, against Keras's own."""

from __future__ import annotations

import numpy as np
import pytest

from fercli.models.backend import emulates_bfloat16, load_keras, with_fused_normalizations

keras = load_keras()
if keras.backend.backend() != "tensorflow":
    pytest.skip("only for TensorFlow", allow_module_level=True)


def two_models(**options):
    """Return a model that normalizes images and features, and its fused copy."""
    inputs = keras.Input((6, 5, 3))
    images = keras.layers.BatchNormalization(momentum=0.7, **options)(inputs)
    features = keras.layers.Flatten()(keras.layers.Conv2D(4, 3)(images))
    plain = keras.Model(inputs, keras.layers.BatchNormalization(momentum=0.7)(features))
    fused = with_fused_normalizations(plain)
    fused.set_weights(plain.get_weights())
    return plain, fused


def trained(model, images, steps=5):
    model.compile(keras.optimizers.SGD(0.1), loss="mse", jit_compile=False)
    for step in range(steps):
        model.train_on_batch(images[step], np.ones((len(images[step]), model.output_shape[1])))
    return model.get_weights()


@pytest.mark.parametrize("options", [{}, {"epsilon": 0.1}, {"scale": False}, {"center": False}])
def test_trains_as_keras_does(options):
    images = np.random.default_rng(1).normal(3, 5, (5, 8, 6, 5, 3)).astype(np.float32)
    plain, fused = two_models(**options)
    before = plain.get_weights()
    expected = trained(plain, images)
    for ours, theirs in zip(trained(fused, images), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)
    assert any(np.abs(a - b).max() > 0.01 for a, b in zip(before, expected, strict=True))
    np.testing.assert_allclose(fused.predict(images[0]), plain.predict(images[0]), atol=1e-3)


def test_frozen_layers_keep_their_statistics():
    images = np.random.default_rng(1).normal(3, 5, (1, 8, 6, 5, 3)).astype(np.float32)
    _, fused = two_models()
    fused.layers[1].trainable = False
    trained(fused, images, steps=1)
    gamma, beta, mean, variance = fused.layers[1].get_weights()
    assert (gamma == 1).all()
    assert (variance == 1).all()
    assert not beta.any()
    assert not mean.any()


def test_layers_of_other_kinds_and_names_stay():
    plain, fused = two_models()
    assert [a.name for a in fused.layers[1:]] == [a.name for a in plain.layers[1:]]
    assert [w.path for w in fused.weights] == [w.path for w in plain.weights]
    assert type(fused.layers[2]) is keras.layers.Conv2D
    assert isinstance(fused.layers[1], keras.layers.BatchNormalization)
    assert type(fused.layers[1]) is not keras.layers.BatchNormalization


@pytest.mark.parametrize(
    ("text", "emulates"),
    [
        ("flags\t\t: fpu avx2 avx512f\n", True),
        ("flags\t\t: fpu avx512_bf16 avx512f\n", False),
        ("flags\t\t: fpu amx_bf16\n", False),
        ("Features\t: fp asimd bf16\n", False),
    ],
    ids=["none", "AVX-512", "AMX", "another architecture"],
)
def test_processors_without_bfloat16_are_known(tmp_path, text, emulates):
    described = tmp_path / "cpuinfo"
    described.write_text(f"processor\t: 0\n{text}")
    assert emulates_bfloat16(described) is emulates
    assert not emulates_bfloat16(tmp_path / "missing")
