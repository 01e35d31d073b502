"""The pipeline's steps. Each folder is one step and can be read alone."""

import os

# TensorFlow Recommenders is written for Keras 2. TensorFlow reads this when
# `tf.keras` is first touched, so it is set here, before any room imports it.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
