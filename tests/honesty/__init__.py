"""What figures of Seedbed claim, tried by simulation on data that its generator did not make."""
