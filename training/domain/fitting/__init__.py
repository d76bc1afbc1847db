"""Choosing and fitting estimators: scikit-learn's own classes alone, so that a model loads
anywhere."""
