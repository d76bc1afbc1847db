"""The verbs of feedback: one module per noun."""
