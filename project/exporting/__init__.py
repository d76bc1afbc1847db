"""How jobs write rows into files that expire."""
