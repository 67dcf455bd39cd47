"""ApplicationSet: Applications made from a template and generators, and what is to be created, updated or deleted."""
