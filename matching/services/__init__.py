"""The verbs that write records of matching: one module per noun."""
