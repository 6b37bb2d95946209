"""Personal data in texts, replaced by what it was: `[e-mail]`, `[phone]`, `[card]` and so on."""
