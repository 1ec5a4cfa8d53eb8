"""Django's database backend for PostgreSQL, with another look at connections that were kept."""
