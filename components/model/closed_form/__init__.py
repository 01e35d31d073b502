"""Models and parts that are solved for, not learnt in steps."""
