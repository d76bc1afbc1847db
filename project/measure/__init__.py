"""Statistics of arrays: intervals, bootstrap, ROC-AUC, ranks, calibration, hashing; pure."""
