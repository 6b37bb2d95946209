"""A step that changes nothing and writes down which rows it was given."""
