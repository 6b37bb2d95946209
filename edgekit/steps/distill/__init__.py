"""`distill`: a teacher teaches a smaller student."""
