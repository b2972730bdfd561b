"""``python -m bench``: every figure, each beside its baseline of the same run."""

from bench import fingerprints, memory, poll, scrape, usage

if __name__ == "__main__":
    poll.main()
    scrape.main()
    fingerprints.main()
    usage.main()
    memory.main()
