"""Login and logout."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.views import LoginView, LogoutView
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from meters.ui.access import is_relative, login_url, signed_target
from telemetry_site.auth.forms import LoginForm


class Login(LoginView):
    """The login page. `next` is only followed when we signed it, and only within this site."""

    template_name = "ui/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True

    def get_redirect_url(self, request: HttpRequest | None = None) -> str:
        asked = self.request.POST.get("next", self.request.GET.get("next", ""))
        return signed_target(asked)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        asked = self.request.POST.get("next", self.request.GET.get("next", ""))
        return super().get_context_data(**kwargs) | {"next": asked, "title": "Log in"}


class Logout(LogoutView):
    """POST only. The browser is told to drop what it kept of the pages (S46)."""

    http_method_names = ["post", "options"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        response = super().dispatch(request, *args, **kwargs)
        response["Clear-Site-Data"] = '"cache", "storage"'
        return response


def admin_login(request: HttpRequest) -> HttpResponse:
    """The admin's login is ours (one throttle, one page); who has no staff flag gets a 403."""
    target = request.GET.get("next", "/admin/")
    target = target if is_relative(target) else "/admin/"
    if not request.user.is_authenticated:
        return redirect(login_url(target))
    if request.user.is_staff:
        return redirect(target)
    raise PermissionDenied("The admin is for staff. Ask an operator for the staff flag.")
