"""The audit list: who did what that others must be able to trace, when, and from where."""
