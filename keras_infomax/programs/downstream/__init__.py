"""Examples of what an exported encoder is good for: the work of three programs."""
