"""Where the DAG runs: in this process, or compiled for a cluster."""
