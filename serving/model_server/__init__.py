"""TensorFlow Serving's gRPC and REST API over SavedModels, ScaNN included."""
