"""A coordinator of our own on loopback: the other end of the wire, for `demo` and for the tests."""
