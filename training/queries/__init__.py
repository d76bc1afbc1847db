"""Reads of training: models, scores and predictions."""
