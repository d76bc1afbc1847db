"""What serving knows without a database: keys, limits, gates of a request."""
