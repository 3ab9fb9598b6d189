"""The commands of `flask`: thin, each calls one function of the domains."""
