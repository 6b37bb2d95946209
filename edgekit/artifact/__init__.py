"""The folder that a build writes, and its manifest. Opens no model."""
