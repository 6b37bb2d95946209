"""`finetune`: training on labelled rows, texts or conversations."""
