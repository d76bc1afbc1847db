"""What fits of every task share; scikit-learn's own classes alone, so that models load anywhere."""
