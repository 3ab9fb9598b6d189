"""Forms of the pages, one file a domain. A form converts types only; every rule stands in the domain."""
