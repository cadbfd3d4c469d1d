"""Ways out of the service: Twilio for real texts, the console for a machine without an account."""
