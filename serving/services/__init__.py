"""The verbs that write records of serving."""
