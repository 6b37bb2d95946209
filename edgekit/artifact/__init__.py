"""The folder that a build leaves, and what its manifest says. Opens no model."""
