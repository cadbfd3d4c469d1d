"""Commands for people who run, test and change the service."""
