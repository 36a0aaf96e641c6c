"""The checked spec: what every later pass reads beside the syntax tree.

The tree is never changed; what was found out about it stands here, keyed by node (nodes are compared by identity). Who
lowers a checked spec finds every name resolved, every argument in its place, every constant computed and every order
settled, and looks nothing up by its text again.

Values of attributes and params are *inner values*: Duration int microseconds, Money int pico-dollars, Percent and Rate
float (a share; per second), an enum its member's name, a record a dict, a list a list, none None.

Frames. Expressions are evaluated in frames, as `orchspec.compiler.plan` describes them. A `Frame` holds named slots and
has a parent; a `Slot` in `Checked.resolved` says in which frame and at which index, and `Reference.up` how many frames
up from the one in which that very expression is evaluated. There is one frame for each of: the body of a flow (its
parameters first), of a scope (its item first, if it has one), of the rounds of a repeat (`past`, `prev` first), of a
repeat's `else` and of an arm of a route (no slots given); the item of a step's `for` (one slot, parent: the block's);
`it` of an arbitration (one slot, parent: the block's); the parameters and then `result` of a contract and of an
effect (no parent); the fields of a record type (no parent); the parameters of a flow for their `where` (no parent); a
param's value for its `where`.
"""

from orchspec.compiler.model.blocks import (
    ArbitrateInfo,
    ArmInfo,
    BlockInfo,
    CandidateInfo,
    EvalInfo,
    HandoffInfo,
    HeardInfo,
    LoopInfo,
    MachineInfo,
    OnFailureInfo,
    PeersInfo,
    RepeatInfo,
    RouteInfo,
    RuleInfo,
    ScopeInfo,
    SendInfo,
    StateInfo,
    StepInfo,
    SuperviseInfo,
    TierInfo,
)
from orchspec.compiler.model.checked import Checked, Symbol
from orchspec.compiler.model.declarations import (
    AgentInfo,
    Argument,
    ChannelInfo,
    ContractInfo,
    DecisionInfo,
    EffectInfo,
    EnumInfo,
    FieldInfo,
    FlowInfo,
    ModelInfo,
    ParamInfo,
    PolicyInfo,
    PolicyValues,
    RecordInfo,
    SignalInfo,
    ToolInfo,
    UndoInfo,
)
from orchspec.compiler.model.frames import (
    BuiltinRef,
    FactRef,
    Frame,
    GiverRef,
    MemberRef,
    MissingRef,
    ParamRef,
    Reference,
    Slot,
    SlotKind,
)
from orchspec.compiler.model.modules import Binding, Module, Place

__all__ = [
    "AgentInfo",
    "ArbitrateInfo",
    "Argument",
    "ArmInfo",
    "Binding",
    "BlockInfo",
    "BuiltinRef",
    "CandidateInfo",
    "ChannelInfo",
    "Checked",
    "ContractInfo",
    "DecisionInfo",
    "EffectInfo",
    "EnumInfo",
    "EvalInfo",
    "FactRef",
    "FieldInfo",
    "FlowInfo",
    "Frame",
    "GiverRef",
    "HandoffInfo",
    "HeardInfo",
    "LoopInfo",
    "MachineInfo",
    "MemberRef",
    "MissingRef",
    "ModelInfo",
    "Module",
    "OnFailureInfo",
    "ParamInfo",
    "ParamRef",
    "PeersInfo",
    "Place",
    "PolicyInfo",
    "PolicyValues",
    "RecordInfo",
    "Reference",
    "RepeatInfo",
    "RouteInfo",
    "RuleInfo",
    "ScopeInfo",
    "SendInfo",
    "SignalInfo",
    "Slot",
    "SlotKind",
    "StateInfo",
    "StepInfo",
    "SuperviseInfo",
    "Symbol",
    "TierInfo",
    "ToolInfo",
    "UndoInfo",
]
