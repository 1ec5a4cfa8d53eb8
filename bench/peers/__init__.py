"""Other projects' programs, measured in the same run. Each lives in a virtual environment of its
own, made on first use in the user's cache directory.
"""
