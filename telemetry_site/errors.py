"""The root exception of the house: its text is one complete sentence for the operator."""


class SiteError(Exception):
    """Something about the installation is wrong, and the text says what and where."""
