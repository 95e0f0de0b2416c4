"""Families of values taken apart for their fingerprint, one file each."""
