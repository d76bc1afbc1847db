"""The work of jobs on seed users and sessions."""
