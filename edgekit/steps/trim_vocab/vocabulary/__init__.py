"""What `trim_vocab` is made of: which pieces a tokenizer has, which to keep, and what it proves."""
