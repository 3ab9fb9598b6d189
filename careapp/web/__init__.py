"""Web: the pages; one file a domain, each view converts types and calls one function."""
