"""How foreign tables are read: proposed, confirmed by a person, remembered, taken again."""
