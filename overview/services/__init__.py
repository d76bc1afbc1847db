"""The verbs that span the apps: backups by schedule, and what a restore has to set right."""
