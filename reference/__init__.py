"""The same families in plain Python: lists, floats and math, one twin for each kernel module."""
