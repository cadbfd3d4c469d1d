"""Our content security policy, as Google's evaluator judges it.

The evaluator is csp_evaluator 1.1.8 as it comes, bundled into one file; Playwright brings a Node to
run it with, so it needs no network.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from playwright._impl._driver import compute_driver_executable

from callback_service.domain.staff import Role
from callback_service.web.headers import content_security_policy

SignInAs = Callable[..., FlaskClient]
EVALUATOR = Path(__file__).parent / "vendor" / "csp_evaluator.js"
JUDGE = """
const {CspEvaluator, CspParser} = require(process.argv[1]);
const policies = JSON.parse(process.argv[2]);
const judged = policies.map((one) => new CspEvaluator(new CspParser(one).csp).evaluate());
console.log(JSON.stringify(judged));
"""
HEADER = "Content-Security-Policy"
pytestmark = pytest.mark.one_database


def findings(*policies: str) -> list[list[dict[str, Any]]]:
    """What the evaluator finds in each policy, of any severity."""
    node = str(compute_driver_executable()[0])
    command = [node, "-e", JUDGE, str(EVALUATOR), json.dumps(policies)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    judged: list[list[dict[str, Any]]] = json.loads(done.stdout)
    return judged


def test_the_evaluator_finds_nothing_in_the_policy_of_any_page(
    client: FlaskClient, sign_in_as: SignInAs
) -> None:
    staff = sign_in_as(Role.MANAGER)
    policies = [
        *(client.get(path).headers[HEADER] for path in ("/", "/sign-in", "/no/such/page")),
        *(staff.get(path).headers[HEADER] for path in ("/cover", "/account", "/rota/history")),
        content_security_policy(),
    ]
    assert findings(*policies) == [[]] * len(policies)


def test_the_evaluator_finds_what_there_is_to_find() -> None:
    loose = content_security_policy().replace("script-src 'none'", "script-src 'unsafe-inline'")
    assert [one["severity"] for one in findings(loose)[0]] == [10]  # high


def test_a_pages_own_scripts_carry_the_nonce_of_its_policy_and_no_other_page_has_it(
    client: FlaskClient,
) -> None:
    first, second = client.get("/"), client.get("/")
    nonce = first.headers[HEADER].partition("'nonce-")[2].partition("'")[0]
    assert len(nonce) == 22  # 128 bits
    page = first.get_data(as_text=True)
    assert page.count("<script") == page.count(f'nonce="{nonce}"') == 1
    assert nonce not in second.headers[HEADER]


@pytest.mark.parametrize("path", ["/health/live", "/api/v1/openapi.json", "/static/favicon.svg"])
def test_what_is_no_page_may_run_no_script(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.headers[HEADER] == content_security_policy()
    assert "script-src 'none'" in answer.headers[HEADER]
    answer.close()


def test_the_policy_is_word_for_word_what_was_decided() -> None:
    assert content_security_policy("N") == (
        "default-src 'none'; script-src 'nonce-N'; style-src 'self'; img-src 'self'; "
        "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'; manifest-src 'self'; object-src 'none'"
    )
