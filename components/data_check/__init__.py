"""The gate on data: any anomaly stops the run."""
