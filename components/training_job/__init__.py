"""The fit as a job of several workers on Kubernetes."""
