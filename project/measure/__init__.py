"""Statistics of arrays, once for every app: no Django, clock, network or global random.

intervals: figures with their interval, quantiles, Wilson's and Student's intervals, Holm.
ranks: average ranks, Spearman. auc: the ROC-AUC and how each row pulls it.
jackknife: standard errors over clusters in one way or two. calibration: equal-mass bins and their
error. curves: ROC, precision-recall and error curves. scores: measures of probabilities. errors:
measures of predicted numbers. paired: two on the same rows. hashing: fingerprints of rows.
"""
