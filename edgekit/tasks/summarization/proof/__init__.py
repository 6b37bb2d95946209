"""What a build asks of a summarizer: summaries compared with its teacher's, and a verdict."""
