"""Django's database backend for PostgreSQL, with another look at the pool's connections."""
