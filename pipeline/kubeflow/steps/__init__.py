"""Steps of a compiled spec that are no TFX components: which data, and whether they have drifted."""
