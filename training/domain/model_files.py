"""The files of a model's folder: what they are called, and the format of their content."""

from typing import Final

FEATURES_FILE: Final = "model_features.json"
METADATA_FILE: Final = "model_metadata.json"
# Raised when a pickle of the format before cannot be loaded any more, because what it names has
# moved. Format 1 had no number: those of the first edition, whose classes were ours. From 2 on a
# pickle names scikit-learn, numpy, pandas and the standard library only.
MODEL_FORMAT: Final = 2
