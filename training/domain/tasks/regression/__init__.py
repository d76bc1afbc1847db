"""A number: fitted with intervals, held against constant, group mean and given prediction."""
