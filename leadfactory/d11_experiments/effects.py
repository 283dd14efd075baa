"""Whether an experiment would do anything: each arm must be known to the file that gives it its effect, each vertical to its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leadfactory.yaml_config import ConfigError

if TYPE_CHECKING:
    from leadfactory.d11_experiments.definitions import Experiment


def check(name: str, experiment: Experiment) -> None:
    """Holds the arms against what knows them: config/prices.yaml, config/letters.yaml (subjects, templates), config/delivery.yaml.

    Raises:
        ConfigError: an arm that would change nothing, with where to write it; a vertical of which there is no business.
    """
    from leadfactory.d01_targeting.verticals import verticals

    nowhere = sorted(set(experiment.verticals or ()) - set(verticals()))
    if nowhere:
        raise ConfigError(
            f"experiments: {name} is for vertical {nowhere[0]!r}, which nobody is in: config/verticals.yaml has {', '.join(sorted(verticals()))}"
        )
    known, where = _known(name, experiment.design.changes)
    unknown = sorted(set(experiment.arms) - known)
    if unknown:
        raise ConfigError(
            f"experiments: {name} changes {experiment.design.changes}, and its arm {unknown[0]!r} would change nothing: {where}"
        )


def _known(name: str, changes: str) -> tuple[set[str], str]:
    if changes == "price":
        from leadfactory.d07_storefront.price_book import price_list  # the price book asks this room for arms

        return set(price_list().arms.get(name, {})), f"give it its cents in config/prices.yaml under arms.{name}"
    if changes == "subject_line":
        from leadfactory.d08_personalization.letters import SubjectsByArm

        arms = set(SubjectsByArm.model_fields) - {"follow_up", "last"}
        return arms, f"the arms of subjects in config/letters.yaml are {', '.join(sorted(arms))}"
    if changes == "template":
        from leadfactory.d08_personalization.letters import config

        templates = set(config().templates)
        return templates, f"the templates of config/letters.yaml are {', '.join(sorted(templates))}"
    from leadfactory.d09_delivery.policy import policy

    times = set(policy().send_times)
    return times, f"the send_times of config/delivery.yaml are {', '.join(sorted(times))}"
