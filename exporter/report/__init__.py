"""What the roll-ups of the ledger say: a question about usage becomes a report. Reads, and changes nothing."""
