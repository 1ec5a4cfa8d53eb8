"""The metric API: what gnocchi's clients speak, answered from our store."""
