"""Metrics of the servers themselves: the JMX agent's configuration, Prometheus' rules over it, and what writes both."""
