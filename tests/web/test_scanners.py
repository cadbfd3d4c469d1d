"""What scanners look for first: files that are not for them, fields, hosts, ways out."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from callback_service.domain.staff import Role
from tests.support.pages import submit
from tests.support.settings import ROOT

pytestmark = pytest.mark.one_database  # none of it is read from a database

SignInAs = Callable[..., FlaskClient]

NOT_FOR_THEM = (
    "/.git/config", "/.git/HEAD", "/.env", "/.DS_Store", "/backup.zip", "/server-status",
    "/console", "/admin", "/phpinfo.php", "/metrics", "/static", "/static/", "/static/vendor/",
    "/static/vendor", "/static/../wsgi.py", "/static/..%2fwsgi.py", "/static/%2e%2e/wsgi.py",
    "/static/..%5cwsgi.py", "/static//etc/passwd", "/static/%2fetc%2fpasswd",
    "/static/vendor/app.css.map", "/static/vendor/app.css%00.txt", "/instance/callback.sqlite3",
)  # fmt: skip


@pytest.mark.parametrize("path", NOT_FOR_THEM)
def test_nothing_but_our_own_static_files_is_served(client: FlaskClient, path: str) -> None:
    answer = client.get(path, follow_redirects=True)
    body = answer.get_data(as_text=True)
    answer.close()
    assert answer.status_code == 404
    assert "create_app" not in body
    assert "Traceback" not in body


def test_no_static_file_leads_to_its_source() -> None:
    files = [path for path in (ROOT / "callback_service/static").rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert path.suffix != ".map"
        assert b"sourceMappingURL" not in path.read_bytes(), path.name


def test_every_field_for_a_password_or_code_is_known_to_password_managers(
    app: Flask, sign_in_as: SignInAs
) -> None:
    client = sign_in_as(Role.COUNSELLOR)
    pages = [app.test_client().get("/sign-in"), client.get("/account")]
    fields = [
        field
        for page in pages
        for field in re.findall(r"<input[^>]*>", page.get_data(as_text=True))
        if re.search(r'name="(password|again|current)"', field)
    ]
    assert len(fields) >= 3
    for field in fields:
        assert 'type="password"' in field
        assert re.search(r'autocomplete="(current|new)-password"', field), field
        assert 'value="' not in field


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost.evil.example"])
@pytest.mark.parametrize("path", ["/desk", "/sign-in", "/", "/exit", "/no/such/page"])
def test_a_forged_host_comes_back_in_no_link_and_no_header(
    client: FlaskClient, host: str, path: str
) -> None:
    forged = {"Host": host, "X-Forwarded-Host": host, "X-Original-URL": "/staff"}
    answer = client.get(path, headers=forged)
    told = answer.get_data(as_text=True) + str(answer.headers)
    assert "evil.example" not in told


def test_a_link_for_somebody_new_leads_to_our_own_host_whatever_the_browser_says(
    sign_in_as: SignInAs,
) -> None:
    client = sign_in_as(Role.ADMINISTRATOR)
    client.environ_base["HTTP_X_FORWARDED_HOST"] = "evil.example"
    person = {"email": "new@example.org", "name": "New", "role": "counsellor"}
    page = submit(client, "/staff", person).get_data(as_text=True)
    assert "http://localhost/invitation/" in page
    assert "evil.example" not in page


OUT = (
    "//evil.example",
    "https://evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/%09/evil.example",
    "/%0d%0aLocation:%20//evil.example",
    "javascript:alert(1)",
    "///evil.example",
    "/.//evil.example",
    "https:evil.example",
    " //evil.example",
    "/desk\r\nX-Evil: 1",
    "http://localhost@evil.example/",
)


@pytest.mark.parametrize("wanted", OUT)
def test_no_next_leads_out_of_the_service(
    client: FlaskClient, sign_in_as: SignInAs, wanted: str
) -> None:
    staff = sign_in_as(Role.COUNSELLOR)
    answers = [
        client.get("/sign-in", query_string={"next": wanted}),
        staff.get("/sign-in", query_string={"next": wanted}),
        staff.get("/confirm", query_string={"next": wanted}),
        staff.get("/sign-in/code", query_string={"next": wanted}),
    ]
    for answer in answers:
        location = answer.headers.get("Location", "/")
        assert location.startswith("/")
        assert not re.match(r"/[/\\\\]", location)
        assert "X-Evil" not in answer.headers
        hidden = re.search(r'name="next"[^>]*value="([^"]+)"', answer.get_data(as_text=True))
        assert hidden is None or re.match(r"/[^/\\]", hidden.group(1))
