"""Running the pipeline on Kubeflow Pipelines v2: its spec, what checks it, what runs in its containers."""
