"""Why is there no data? From facts about one resource and one meter to an answer in words."""
