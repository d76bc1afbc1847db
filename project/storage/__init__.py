"""Files that outlive a job: artefacts, written, signed and verified."""
