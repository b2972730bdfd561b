"""Charges queries to series, and keeps the ledger of what has been charged."""
