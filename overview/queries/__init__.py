"""What is there and what comes next, over all apps."""
