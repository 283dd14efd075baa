"""Blocking set rules by asset, and one standing check a room. Verdicts are rows first, check results second.

A blocking check stops its downstream only within the same run; the claim of a send therefore asks the rows, not Dagster.
"""

from typing import TYPE_CHECKING

import dagster as dg

from leadfactory import archives
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.database import Database
from leadfactory.quality import verdicts
from leadfactory_assets.policies import key
from leadfactory_assets.ranges import TOLD, is_last, set_aside, units

if TYPE_CHECKING:
    from leadfactory.quality.gx import Judgement


def expectations(asset: dg.AssetsDefinition) -> dg.AssetChecksDefinition:
    """The suite named after the asset, as a blocking check on the campaign-day just written."""
    name = asset.key.path[-1]

    @dg.asset_check(
        asset=asset,
        name=f"{name}_expectations",
        blocking=True,
        description=f"Set rules of {name} over the campaign-day: keys unique, references exist, in = out + rejected.",
    )
    def check(
        context: dg.AssetCheckExecutionContext, db: dg.ResourceParam[Database], clock: dg.ResourceParam[Clock]
    ) -> dg.AssetCheckResult:
        from leadfactory.quality.gx import judge  # seconds to import: only the step that needs it pays

        judged = {}
        for unit in units(context):
            with db.begin() as tx:
                if (
                    archives.instead_of(tx, name, unit) is not None
                ):  # its rows are in the lake, and were judged when they were written
                    continue
                judged[unit] = judge(tx, name, unit)
                verdicts.record(tx, [_verdict(judged[unit], unit)], clock.now())
        failing = {unit: each.broken for unit, each in judged.items() if not each.passed}
        # Of several campaign-days the broken ones leave the run and the others go on; the verdict rows are the gate.
        others_go_on = 0 < len(failing) < len(judged) and not is_last(context, asset.key)
        for unit, broken in failing.items() if others_go_on else ():
            set_aside(context, unit, f"{name}_expectations: {broken[0]}")
        told = [f"{unit.key}: {rule}" if len(judged) > 1 else rule for unit, found in failing.items() for rule in found]
        return dg.AssetCheckResult(
            passed=not failing,
            severity=dg.AssetCheckSeverity.WARN if others_go_on else dg.AssetCheckSeverity.ERROR,
            metadata={
                "rows": sum(each.rows for each in judged.values()),
                "rules evaluated": sum(each.evaluated for each in judged.values()),
                "broken": told[:TOLD],
            },
        )

    return check


def _verdict(judged: "Judgement", unit: CampaignDay) -> verdicts.Verdict:
    """What a suite found, as the row that is kept of it."""
    return verdicts.Verdict(
        judged.suite, unit, judged.suite, judged.version, judged.input_hash, judged.passed, judged.evaluated, judged.broken
    )  # fmt: skip


def standing(room: str, *assets: str, judges: bool = False) -> dg.AssetChecksDefinition:
    """Red while any open campaign-day has a failing or missing verdict on an asset of ``room``.

    With ``judges`` it first judges those campaign-days itself: for assets whose runs cannot afford to import the suites.
    """

    @dg.asset_check(
        asset=key(assets[-1]),
        name=f"{room}_standing",
        description=f"No open campaign-day has a failing or missing verdict on {', '.join(assets)}.",
    )
    def check(db: dg.ResourceParam[Database], clock: dg.ResourceParam[Clock]) -> dg.AssetCheckResult:
        with db.begin() as tx:
            found = verdicts.standing(tx, assets)
            if judges and found:
                from leadfactory.quality.gx import judge

                for each in found:
                    verdicts.record(tx, [_verdict(judge(tx, each.asset, each.unit), each.unit)], clock.now())
                found = verdicts.standing(tx, assets)
        return dg.AssetCheckResult(
            passed=not found,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "open": len(found),
                "campaign-days": [f"{each.unit.key} {each.asset}: {each.verdict}" for each in found[:50]],
            },
        )

    return check
