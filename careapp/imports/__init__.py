"""Imports: taking in what other systems hold about patients, as history that nobody is told of."""
