"""The verbs that write records of training: one module per noun."""
