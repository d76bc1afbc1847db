"""The top floor: status, next step, rebuild, demo and the front page."""
