"""A live table in a terminal of what a running exporter's API answers."""
