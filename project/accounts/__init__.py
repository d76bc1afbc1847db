"""The first account of an installation, and passwords that are good for one sign-in."""
