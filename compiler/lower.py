"""From a checked spec to its plan. The modules of `lowering` say how each kind of thing is lowered.

The same text gives the same plan, byte for byte; layout and comments change nothing but `Plan.source`, which the hash
leaves out.
"""

from __future__ import annotations

from pathlib import PurePath

from orchspec.compiler.lowering.blocks import Lowering
from orchspec.compiler.lowering.declarations import (
    lower_agents,
    lower_answers,
    lower_channels,
    lower_contracts,
    lower_effects,
    lower_enums,
    lower_fields,
    lower_gates,
    lower_models,
    lower_questions,
    lower_records,
    lower_signals,
    lower_tools,
)
from orchspec.compiler.lowering.nodes import number_nodes
from orchspec.compiler.model import Checked, FlowInfo
from orchspec.compiler.plan import Flow, Plan
from orchspec.compiler.studies.check import Studies
from orchspec.compiler.types import as_plan

__all__ = ["drafted", "lower"]


def lower(checked: Checked, studies: Studies) -> Plan:
    """The plan of a spec without errors, with its hash; takes what `drafted` takes."""
    return drafted(checked, studies).sealed()


def drafted(checked: Checked, studies: Studies) -> Plan:
    """The plan of a spec without errors, not sealed with a hash yet: bounds are told of it without one.

    Args:
        checked: what the checks made of the file; no error may have been reported about it.
        studies: the profiles, scenarios and tests of the same file.
    """
    nodes = number_nodes(checked)
    blocks = Lowering(checked, nodes, studies.profiles)
    flows = {name: _flow(blocks, info) for name, info in checked.flows.items()}
    return Plan(
        name=PurePath(checked.file.span.source.name).stem,
        types=lower_records(checked) | lower_answers(checked),
        enums=lower_enums(checked),
        models=lower_models(checked),
        contracts=lower_contracts(checked) | lower_questions(checked),
        agents=lower_agents(checked, studies.profiles),
        tools=lower_tools(checked),
        effects=lower_effects(checked, studies.profiles),
        signals=lower_signals(checked),
        channels=lower_channels(checked),
        gates={**lower_gates(checked), **blocks.gates},
        flows=flows,
        params={name: info.value for name, info in checked.params.items()},
        profiles=dict(studies.profiles),
        scenarios=list(studies.scenarios),
        tests=list(studies.tests),
        source=nodes.source,
        edition=checked.file.edition.number if checked.file.edition is not None else 1,
    )


def _flow(blocks: Lowering, info: FlowInfo) -> Flow:
    assert info.block is not None, "a flow without a body has errors"
    body = blocks.block(info.block) if info.machine is None else blocks.machine(info, info.machine)
    return Flow(
        name=info.name,
        params=lower_fields(blocks.checked, info.params),
        result=as_plan(info.result),
        body=body,
        budget=info.budget,
        economy=info.economy,
    )
