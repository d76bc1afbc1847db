"""Files of rows that were asked for: kept until they expire, and downloaded by who may."""
