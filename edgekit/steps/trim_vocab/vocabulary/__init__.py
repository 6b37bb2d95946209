"""The parts of `trim_vocab`: which pieces a tokenizer has, which to keep, and the proof."""
