"""What an architecture is: a name, what its input looks like, where it comes from, how to build it.

Architecture modules import Keras only when they build, so that they can be listed without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fercli.common.errors import OptionError

if TYPE_CHECKING:
    from keras import Model

#: (height, width, channels)
InputShape = tuple[int, int, int]


@dataclass(frozen=True)
class Architecture:
    """A family of models that differ in the number of classes.

    Parameters
    ----------
    name : str
        What `fer models train --architecture` calls it.
    define : callable
        Takes an input shape (height, width, channels) and the number of classes and returns a
        Keras model that ends in a softmax. Its last layer but one gives the features.
    size_wh : (int, int)
        The size of input that its source describes, in pixels.
    channels : {1, 3}
        1 for gray levels, 3 for color.
    classes : int
        The number of classes that its source describes.
    parameters : int
        All parameters at that size and number of classes, those not trained included.
    source : str
        Where it was published.
    """

    name: str
    define: Callable[[InputShape, int], Model]
    size_wh: tuple[int, int]
    channels: int
    classes: int
    parameters: int
    source: str

    @property
    def input_shape(self) -> InputShape:
        """The shape (height, width, channels) of one input."""
        return self.size_wh[1], self.size_wh[0], self.channels

    def build(self, shape: InputShape, classes: int) -> Model:
        """Return the model, untrained.

        Parameters
        ----------
        shape : (int, int, int)
            Height, width and channels of one input.
        classes : int
            How many answers it gives.

        Raises
        ------
        OptionError
            The inputs are too small for the model, or it is too large for the memory.
        """
        try:
            return self.define(shape, classes)
        except ImportError:
            raise
        except Exception as error:  # Keras's and TensorFlow's, of many kinds
            height, width, _ = shape
            small = min(height, width) < min(self.size_wh)
            raise OptionError(
                f"The architecture {self.name} cannot be built for inputs of {width}x{height} and "
                f"{classes} classes",
                hint="set a larger `size` or `crop`"
                if small
                else "set a smaller `size`, or use fewer classes",
            ) from error
