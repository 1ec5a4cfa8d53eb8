"""Words that stand for yes and no."""

YES = ("1", "t", "true", "on", "y", "yes")
NO = ("0", "f", "false", "off", "n", "no")
