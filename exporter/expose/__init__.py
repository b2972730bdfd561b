"""Shows what is known: exposition formats and web pages."""
