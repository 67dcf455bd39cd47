"""Who may be spoken to and with what: repository URLs, credentials, certificates, bounds (specs section 10)."""
