"""The verbs of feedback that write: land rows, begin and end runs, make sources, try again."""
