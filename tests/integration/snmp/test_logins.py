"""Logins that an SNMP agent does not take: told in words, once, and without secrets."""

from __future__ import annotations

import pytest

from tests.support.snmp import LOAD, poll
from tests.support.snmpd import NARROW, PASSWORD, USERS, Agent


def test_a_wrong_community_is_no_answer_and_one_sentence(agent: Agent, impatient: None) -> None:
    url = agent.url.replace("snmp://", "snmp://wrong-")
    builder, report, _ = poll(url)
    assert report.outcome == "error"
    assert builder.samples == 0
    (told,) = report.errors
    assert told.startswith(f"{agent.shown}: no answer to 3 requests of 1 s each: it is down,")
    assert told.endswith("or it does not know the community")


@pytest.mark.parametrize(
    ("user", "password", "options", "said"),
    [
        ("shaaes", "another-pw", USERS["shaaes"][2], "the password is wrong, or auth_proto is not"),
        ("sha512only", PASSWORD, "?auth_proto=md5", "the password is wrong, or auth_proto is not"),
        ("nobody", PASSWORD, "", "the agent does not know the user"),
        ("shaaes", PASSWORD, "?auth_proto=sha", "authorizationError"),
        ("sha512only", PASSWORD, "?auth_proto=sha512&priv_proto=aes&priv_password=another-pw",
         "the user has no password of encryption there"),
        ("shaaes", PASSWORD, "?auth_proto=sha&priv_proto=aes&priv_password=another-pw",
         "or priv_password or priv_proto is wrong"),
    ],
)  # fmt: skip
def test_a_wrong_login_of_version_3_is_told_in_words(
    agent: Agent, user: str, password: str, options: str, said: str
) -> None:
    builder, report, _ = poll(agent.v3(user, password, options), LOAD)
    assert (report.outcome, builder.samples) == ("error", 0), report
    (told,) = report.errors
    assert told.startswith(f"{agent.shown}: ")
    assert said in told
    assert "another-pw" not in f"{report}"


def test_what_the_login_may_not_see_is_told_once(agent: Agent) -> None:
    _, report, _ = poll(f"snmp://{NARROW}@{agent.place}")
    assert report.outcome == "error"
    (told,) = report.errors
    assert told.startswith(f"{agent.shown}: the agent has nothing of what is asked, or does not")
