"""The admin's kit: what every app's pages are made from."""
