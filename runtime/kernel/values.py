"""The edge of a plan: what crosses into contracts, flows and effects, what comes back, and how that is verified.

Inside, inputs are a list in the order of the parameters, which is the order of their slots; at the edge they are a
record by name. A contract's result is verified: it is of its type, and every `ensures` holds over inputs and result.
One `Codecs(plan)` compiles each type and each handoff once; see `codecs` and `scalars` for what a type accepts.
"""

from __future__ import annotations

import hashlib
from typing import Any

from orchspec.compiler.plan import Contract, Effect, Expr, Field, Flow, Plan, Signal, TypeExpr, canonical_json
from orchspec.runtime.kernel.codecs import (
    ABSENT,
    Codec,
    TypeCodecs,
    fill_absent,
    prepare_fields,
    unknown_field,
    where_check,
)
from orchspec.runtime.kernel.expressions import Env, ExpressionError, compile_expr, operands_of
from orchspec.runtime.kernel.scalars import InvalidValue
from orchspec.runtime.kernel.wording import expression_text, shape

__all__ = [
    "Codec",
    "Codecs",
    "ContractCodec",
    "EffectCodec",
    "FlowCodec",
    "InvalidValue",
    "Shape",
    "SignalCodec",
    "Unverified",
    "codec_of",
]


class Unverified(Exception):
    """An output that is no result: of another type, or against an `ensures`. `reason` is what the next attempt is
    told.
    """

    code = "unverified"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Shape:
    """Named fields in order, inside a list and at the edge a record: parameters.

    `where` raises InvalidValue for inner values that are against the `where` of their field; None if no field has one.
    """

    __slots__ = ("_codecs", "_fields", "_known", "_prepared", "_what", "names", "where")

    def __init__(self, codecs: TypeCodecs, fields: list[Field], what: str) -> None:
        self.names = [field.name for field in fields]
        self._fields = fields
        self._codecs = [codecs.of(field.type) for field in fields]
        self._prepared = prepare_fields(fields, self._codecs)
        self._known = {field.name: True for field in fields}
        self.where = where_check(fields)
        self._what = what

    def decode(self, given: Any) -> list[Any]:
        """Inner values in order; defaults and none are filled in.

        Raises:
            InvalidValue: a value is not of its type or against its `where`, one is missing, or a name is unknown.
        """
        if type(given) is not dict:
            raise InvalidValue("", f"the inputs of {self._what} by name", shape(given))
        values: list[Any] = []
        seen = 0
        for name, decode, _, absent in self._prepared:
            value = given.get(name, ABSENT)
            if value is ABSENT:
                values.append(fill_absent(absent, name, dict(zip(self.names, values, strict=False)), self.names))
                continue
            seen += 1
            try:
                values.append(decode(value))
            except InvalidValue as error:
                raise error.within(f".{name}") from None
        if seen != len(given):
            raise unknown_field(given, self._known, self._what)
        if self.where is not None:
            self.where(values)
        return values

    def check(self, values: list[Any]) -> None:
        """Raises InvalidValue if an inner value is against the `where` of its field."""
        if self.where is not None:
            self.where(values)

    def encode(self, values: list[Any]) -> dict[str, Any]:
        """JSON of the edge by name.

        The types were proven when the plan was compiled; `where` of the fields themselves is checked here, since a
        computed value crosses here for the first time.

        Raises:
            InvalidValue: a value is against the `where` of its field.
        """
        if self.where is not None:
            self.where(values)
        return {
            name: value if codec.identity else codec.encode(value)
            for name, codec, value in zip(self.names, self._codecs, values, strict=True)
        }


class _Handoff:
    """Inputs that cross to someone and a result that comes back."""

    def __init__(self, codecs: TypeCodecs, name: str, params: list[Field], result: TypeExpr) -> None:
        self.name = name
        self.inputs = Shape(codecs, params, name)
        self.result = codecs.of(result)

    def decode_inputs(self, given: Any) -> list[Any]:
        """Inputs by name at the edge to inner values in the order of the parameters; raises InvalidValue."""
        return self.inputs.decode(given)

    def encode_inputs(self, values: list[Any]) -> dict[str, Any]:
        """Inner values in the order of the parameters to inputs by name at the edge; raises InvalidValue for a
        `where`.
        """
        return self.inputs.encode(values)

    def decode_result(self, edge: Any) -> Any:
        """A result at the edge to its inner form; raises InvalidValue, its path beginning with `result`."""
        try:
            return self.result.decode(edge)
        except InvalidValue as error:
            raise error.within("result") from None

    def encode_result(self, inner: Any) -> Any:
        """A result to JSON of the edge."""
        return inner if self.result.identity else self.result.encode(inner)


class FlowCodec(_Handoff):
    """The parameters and the result of a flow."""

    def __init__(self, codecs: TypeCodecs, flow: Flow) -> None:
        super().__init__(codecs, flow.name, flow.params, flow.result)


class EffectCodec(_Handoff):
    """The arguments and the receipt of an effect."""

    def __init__(self, codecs: TypeCodecs, effect: Effect) -> None:
        super().__init__(codecs, effect.name, effect.params, effect.result)


class SignalCodec(_Handoff):
    """The arguments and the value of a signal."""

    def __init__(self, codecs: TypeCodecs, signal: Signal) -> None:
        super().__init__(codecs, signal.name, signal.params, signal.result)

    def key(self, values: list[Any]) -> str:
        """What a signal and a wait for it must have in common: the hash of the signal and of its arguments (inner
        values in the order of the parameters), 64 hex digits; raises InvalidValue for a `where`.
        """
        text = canonical_json([self.name, self.encode_inputs(values)])
        return hashlib.sha256(text.encode()).hexdigest()


class ContractCodec(_Handoff):
    """The inputs of a contract, and its result, which is verified."""

    def __init__(self, codecs: TypeCodecs, contract: Contract) -> None:
        super().__init__(codecs, contract.name, contract.params, contract.result)
        names = [*self.inputs.names, "result"]
        texts = list(contract.ensures_text)
        texts += [expression_text(expr, [names]) for expr in contract.ensures[len(texts) :]]
        self._names = names
        self._ensures = [(compile_expr(expr), expr, text) for expr, text in zip(contract.ensures, texts, strict=False)]

    def verify(self, inputs: list[Any], output: Any) -> Any:
        """An output at the edge to the contract's result in its inner form.

        Args:
            inputs: the inner values it was made for, in the order of the parameters.
            output: JSON of the edge.

        Raises:
            Unverified: it is not of the contract's type, or some `ensures` does not hold.
        """
        try:
            result = self.result.decode(output)
        except InvalidValue as refused:
            raise Unverified(str(refused.within("result"))) from None
        if self._ensures:
            frame = Env([*inputs, result])
            for holds, expr, text in self._ensures:
                try:
                    if holds(frame) is True:
                        continue
                except ExpressionError as error:
                    raise Unverified(f"ensures {text} cannot be evaluated: {error}") from None
                raise Unverified(f"ensures {text} does not hold{_facts(expr, frame, self._names)}")
        return result


def _facts(expr: Expr, frame: Env, names: list[str]) -> str:
    """What the parts of a broken condition are, in brackets: `(result.confidence is 0.1)`."""
    facts: dict[str, str] = {}
    pending: list[Any] = [expr]
    while pending and len(facts) < 4:
        node = pending.pop()
        if node[0] in {"ref", "field", "field?", "index", "lookup", "call"}:
            try:
                facts[expression_text(node, [names])] = shape(compile_expr(node)(frame))
            except ExpressionError:
                continue
        else:
            pending.extend(reversed(operands_of(node)))
    return f" ({', '.join(f'{text} is {found}' for text, found in facts.items())})" if facts else ""


class Codecs(TypeCodecs):
    """All codecs of one plan: of its types and handoffs, each compiled when it is first asked for."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._contracts: dict[str, ContractCodec] = {}
        self._flows: dict[str, FlowCodec] = {}
        self._effects: dict[str, EffectCodec] = {}
        self._signals: dict[str, SignalCodec] = {}
        self._channels: dict[str, Shape] = {}

    def contract(self, name: str) -> ContractCodec:
        """The codec of the contract of that name, which the plan has."""
        made = self._contracts.get(name)
        if made is None:
            made = self._contracts[name] = ContractCodec(self, self.plan.contracts[name])
        return made

    def flow(self, name: str) -> FlowCodec:
        """The codec of the flow of that name, which the plan has."""
        made = self._flows.get(name)
        if made is None:
            made = self._flows[name] = FlowCodec(self, self.plan.flows[name])
        return made

    def effect(self, name: str) -> EffectCodec:
        """The codec of the effect of that name, which the plan has."""
        made = self._effects.get(name)
        if made is None:
            made = self._effects[name] = EffectCodec(self, self.plan.effects[name])
        return made

    def signal(self, name: str) -> SignalCodec:
        """The codec of the signal of that name, which the plan has."""
        made = self._signals.get(name)
        if made is None:
            made = self._signals[name] = SignalCodec(self, self.plan.signals[name])
        return made

    def channel(self, name: str) -> Shape:
        """The codec of what is said on the channel of that name, which the plan has."""
        made = self._channels.get(name)
        if made is None:
            made = self._channels[name] = Shape(self, self.plan.channels[name].params, name)
        return made


def codec_of(type_: TypeExpr, plan: Plan) -> Codec:
    """The codec of one type of a plan. Whoever needs more than one keeps a `Codecs(plan)`, which compiles each once."""
    return TypeCodecs(plan).of(type_)
