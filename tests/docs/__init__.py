"""Every command, snippet and name in the documents is tried: what is written is what works."""
