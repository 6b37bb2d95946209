"""Early warning on a stream of answers: rules, the state that they are in, and what is done."""
