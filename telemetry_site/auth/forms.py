"""The login form: Django's, saying how long to wait where there were too many attempts."""

from __future__ import annotations

from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError


class LoginForm(AuthenticationForm):
    """The same text for an unknown account and a wrong password (S11)."""

    def get_invalid_login_error(self) -> ValidationError:
        wait_s = getattr(self.request, "login_wait_s", 0)
        if wait_s:
            return ValidationError(
                f"Too many attempts. Try again in {wait_s} seconds.", code="throttled"
            )
        return ValidationError("The name or the password is wrong.", code="invalid_login")
