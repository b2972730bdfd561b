"""The pages in a real browser, and the usage that they show there."""
