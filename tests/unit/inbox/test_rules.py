"""The configuration of the inbox is checked where it is read."""

from __future__ import annotations

import pytest
import yaml

from leadfactory import yaml_config
from leadfactory.inbox.rules import WebhookRules, rules
from leadfactory.settings import ROOT


def test_the_body_limit_is_above_what_sendgrid_posts():
    assert rules().body_limit_bytes >= 2 * 1024 * 1024


def test_a_limit_below_two_mebibytes_is_refused_by_name(tmp_path):
    content = yaml.safe_load((ROOT / "config" / "webhooks.yaml").read_text()) | {"body_limit_bytes": 100_000}
    file = tmp_path / "webhooks.yaml"
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(yaml_config.ConfigError, match="body_limit_bytes = 100000"):
        yaml_config.load("webhooks", WebhookRules, file)


@pytest.mark.parametrize(("agent", "machine"), [("Mozilla/5.0 (Windows) Barracuda Sentinel", True), ("python-requests/2", True),
                                                (None, False), ("Mozilla/5.0 (Macintosh) AppleWebKit/605", False)])  # fmt: skip
def test_known_scanners_are_machines(agent, machine):
    assert rules().bots.is_machine(agent) is machine
