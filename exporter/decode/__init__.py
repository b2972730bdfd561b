"""Turns the bytes of a coordinator into queries."""
