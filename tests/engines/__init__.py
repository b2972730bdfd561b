"""Real PrestoSQL, Trino and PrestoDB servers against the exporter: ``python -m tests.engines [ENGINE ...]``.

A seeded workload is driven through ``POST /v1/statement``. What its clients saw is the truth; what ``/metrics`` says
must be the same, though the exporter is killed and the server restarted in the middle.

==================  ==================================================================================================
``assembly``        the six engines: which artifacts of Maven make a server, and the folder made of them
``processes``       programs in process groups of their own, ended on every way out
``servers``         a running server
``client``          one statement on its way, as its client sees it
``workload``        who sends what, and how it ends
``truth``           pure: what must have been counted, and how what was counted differs
``exposition``      pure: the text of ``/metrics`` as numbers, and counters that fell
``subject``         the exporter as a process, and the thread that never stops scraping it
``prometheus``      a real Prometheus in front of the exporter
``trial``           one engine from start to end: the order of events
``verdict``         pure: whether ``/metrics`` agrees with the truth at the end of a trial
``check``           ``python -m tests.engines.check``: faults made on purpose, and what `check` makes of them
``jmx``             ``python -m tests.engines.jmx``: the real JMX agent in real servers
``alerting``        Prometheus with every rule, Alertmanager and a web hook; ``python -m`` it without any engine
``monitoring``      ``python -m tests.engines.monitoring``: all of it on a real server, and troubles made on purpose
``command``         how all of these end, and where they leave their logs
``report``          a line per step and per check
``recording``       test data: two lists and their truth
==================  ==================================================================================================
"""

from __future__ import annotations


class EngineError(Exception):
    """A trial that cannot go on, as ``place: what is wrong; what to do``."""
