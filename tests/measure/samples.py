"""Scores and labels to measure."""

import numpy as np


def rng(seed=0):
    return np.random.default_rng(seed)


def make_scores(rows, seed=0, decimals=None):
    draw = rng(seed)
    score = draw.beta(2, 2, rows)
    label = (draw.random(rows) < score).astype(int)
    return label, score if decimals is None else np.round(score, decimals)
