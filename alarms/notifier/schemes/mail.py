"""The scheme mailto: one message in plain text by the operator's mail server.

``mailto:a@example.org,b@example.org?subject=…``. The Message-ID is made of the notification's id
and stays the same for each attempt, so that mailboxes can drop repeats.
"""

from __future__ import annotations

import smtplib
import ssl
from email.utils import parseaddr
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend
from django.core.validators import validate_email

from alarms.errors import ActionError
from alarms.notifier import templates
from alarms.notifier.message import Message
from alarms.notifier.outcome import SHOWN_ANSWER, Outcome
from telemetry_site.outbound.parsing import LONGEST

MOST_RECIPIENTS = 10
LONGEST_SUBJECT = 200


class Mailto(NamedTuple):
    """`subject` is empty where the URL names none."""

    recipients: tuple[str, ...]
    subject: str = ""


def is_enabled() -> bool:
    return bool(settings.EMAIL_HOST)


def check(url: str, project_id: str | None, is_admin: bool) -> None:
    parse(url)


def parse(url: str) -> Mailto:
    """Raises `ActionError` of kind bad_url or forbidden_address."""
    if len(url) > LONGEST:
        raise ActionError("bad_url", f"is longer than {LONGEST} characters")
    path, _, query = url.partition(":")[2].partition("?")
    recipients = tuple(unquote(one).strip() for one in path.split(","))
    if len(recipients) > MOST_RECIPIENTS:
        raise ActionError("bad_url", f"names more than {MOST_RECIPIENTS} addresses")
    for one in recipients:
        _check_address(one)
    return Mailto(recipients, _subject(query))


def _check_address(address: str) -> None:
    try:
        validate_email(address)
    except ValidationError:
        raise ActionError("bad_url", f"holds no mail address at {address[:80]!r}") from None
    domains = settings.TELEMETRY_MAIL_DOMAINS
    if domains and address.rpartition("@")[2].lower() not in domains:
        raise ActionError(
            "forbidden_address",
            f"names {address[:80]!r}, whose domain is none of those that mail may go to; an "
            "operator can open it with TELEMETRY_MAIL_DOMAINS",
        )


def _subject(query: str) -> str:
    given = parse_qsl(query, keep_blank_values=True)
    for name, _ in given:
        if name.lower() != "subject":
            raise ActionError("bad_url", f"may carry a subject and nothing else, not {name[:40]!r}")
    subject = given[-1][1] if given else ""
    if len(subject) > LONGEST_SUBJECT or not subject.isprintable():
        raise ActionError(
            "bad_url",
            f"has a subject that is no line of at most {LONGEST_SUBJECT} printable characters",
        )
    return subject


def send(message: Message) -> Outcome:
    try:
        target = parse(message.url)
    except ActionError as error:
        return Outcome(error.kind, is_final=True)
    try:
        return _of_refusals(_hand_over(_mail(message, target)))
    except (OSError, smtplib.SMTPException) as error:
        return _of_fault(error)


def _mail(message: Message, target: Mailto) -> EmailMessage:
    written = templates.written(message)
    ours = parseaddr(settings.TELEMETRY_MAIL_FROM)[1].rpartition("@")[2]
    headers = {
        "Message-ID": f"<{message.id}@{ours}>",
        "Auto-Submitted": "auto-generated",
        "X-Telemetry-Attempt": str(message.attempt),
    }
    if message.is_test:
        headers["X-Alarm-Test"] = "true"
    return EmailMessage(
        target.subject or written.subject,
        written.body,
        settings.TELEMETRY_MAIL_FROM,
        list(target.recipients),
        headers=headers,
    )


def _hand_over(mail: EmailMessage) -> dict[str, tuple[int, bytes]]:
    """The recipients whom the server does not take, with its answer.

    Django's own way to send looks at the answer only where all are refused.
    """
    backend = EmailBackend(timeout=settings.EMAIL_TIMEOUT)
    text = mail.message().as_bytes(linesep="\r\n")  # type: ignore[call-arg]
    try:
        backend.open()
        assert backend.connection is not None  # it raises where it can't
        return backend.connection.sendmail(parseaddr(mail.from_email)[1], mail.to, text)
    finally:
        backend.close()


def _of_refusals(refused: dict[str, tuple[int, bytes]]) -> Outcome:
    """Who was refused for now gets it again, with all others (at least once); it is final only
    where every refusal is."""
    if not refused:
        return Outcome()
    code, _ = min(refused.values())
    said = "; ".join(f"{who}: {code} {_text(text)}" for who, (code, text) in refused.items())
    return _of_code(code, said)


def _of_fault(error: Exception) -> Outcome:
    match error:
        case smtplib.SMTPRecipientsRefused():
            return _of_refusals(error.recipients)
        case smtplib.SMTPAuthenticationError() | smtplib.SMTPNotSupportedError():
            return Outcome("smtp_login", answer=_text(str(error)))  # the operator's to mend
        case smtplib.SMTPResponseException():
            return _of_code(error.smtp_code, _text(error.smtp_error))
        case smtplib.SMTPServerDisconnected() if isinstance(error.__context__, TimeoutError):
            return Outcome("timeout")
        case smtplib.SMTPException():
            return Outcome("broken", answer=_text(str(error)))
        case TimeoutError():
            return Outcome("timeout")
        case ssl.SSLError():
            return Outcome("tls")
    return Outcome("refused")


def _of_code(code: int, said: str) -> Outcome:
    return Outcome(f"smtp_{code}", 500 <= code < 600, answer=said[:SHOWN_ANSWER])


def _text(said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return text.replace("\0", "\ufffd")
