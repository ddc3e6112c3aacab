"""Keras 3 layers with our kernels underneath: the same arguments, weights and answers as those of ``keras.layers``.

In a script or notebook one line changes::

    from sulsul.keras.layers import LSTM, Bidirectional, Dense, Embedding  # was: from keras.layers import …

Masks become lengths: a masked timestep is never computed. On the CPU in float32 and float64 the kernels compute; where
they cannot (a GPU, another activation, recurrent dropout while training), Keras does, and a warning says so once.
"""

from sulsul.keras.bidirectional import Bidirectional
from sulsul.keras.recurrent import GRU, LSTM, SimpleRNN

__all__ = ["GRU", "LSTM", "Bidirectional", "SimpleRNN"]
