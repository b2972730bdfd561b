"""Properties that hold whatever bytes come from outside, and two ways of looking for bytes that break them.

Each module is about one door: it says what is true of every input, and has inputs to begin with.
``tests/test_fuzz.py`` changes these at random: for seconds, or for ``FUZZ_MINUTES`` if that is set.
``python -m tests.fuzz TARGET --minutes N`` lets atheris (libFuzzer for Python) do it, which sees what code an input
reaches and so gets deeper. ``python -m tests.fuzz costs`` compares what a megabyte costs with what a plain parser takes
for it.
"""
