"""What a recipe says, checked; and the rows that it names. Knows no model."""
