"""How good a network is at the end of an epoch, on pictures that it does not learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fercli.models.batches import own_errors, plain_batches
from fercli.models.build import distributed_by
from fercli.models.distributed import agreed, count_hosts
from fercli.models.keras_file import rebuild
from fercli.models.labeled_faces import Faces
from fercli.models.metrics import accuracy, log_loss
from fercli.models.model_card import NetworkCard
from fercli.models.training_options import TrainingOptions

if TYPE_CHECKING:
    from keras import Model


def validate(
    model: Model, card: NetworkCard, faces: Faces, options: TrainingOptions
) -> dict[str, float]:
    """Return the loss and accuracy of a network as ``val_loss`` and ``val_accuracy``.

    Parameters
    ----------
    model : keras.Model
        As it is trained.
    card : NetworkCard
        What is known of it.
    faces : Faces
        The pictures.
    options : TrainingOptions
        Of the training.
    """
    batches = plain_batches(faces, 4 * options.batch_size, options.crop)
    with own_errors(batches):
        if count_hosts() == 1:
            answers = model.predict(batches, verbose=0)
        else:  # the model's own answers would be spread over the hosts
            with distributed_by(None):
                answers = rebuild(model, card).predict(batches, verbose=0)
    answers = np.asarray(answers, np.float32)[: len(faces)]
    return agreed(
        {
            "val_loss": log_loss(answers, faces.labels),
            "val_accuracy": accuracy(answers, faces.labels),
        }
    )
