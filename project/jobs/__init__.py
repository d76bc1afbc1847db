"""The job ledger: PostgreSQL is the truth, RQ is the bell."""
