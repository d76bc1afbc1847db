"""How a number, an interval, a duration and a time are spelt: once for terminal, page and docs."""
