"""What a build asks of a summarizer: summaries beside its teacher's, and a verdict."""
