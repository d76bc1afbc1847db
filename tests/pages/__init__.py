"""Every page of the admin in a real browser: what each costs, and what is wrong with it."""
