"""Tries clusters out: what is asked, what it means, and what to change."""
