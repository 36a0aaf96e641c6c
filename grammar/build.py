"""Productions to nodes, part three: declarations and the file; and the table that binds rules to methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from orchspec.grammar import codes
from orchspec.grammar.build_statements import StatementBuilder
from orchspec.grammar.diagnostics import Diagnostic, Edit, Fix
from orchspec.grammar.lexer import Token, Tokens
from orchspec.grammar.source import Span
from orchspec.grammar.syntax import (
    AgentDecl,
    Attribute,
    Block,
    Budget,
    ChannelDecl,
    Comment,
    ContractDecl,
    DecisionDecl,
    Declaration,
    Edition,
    EffectDecl,
    EnumDecl,
    EnumMember,
    Expect,
    Expr,
    Fault,
    FieldDecl,
    File,
    FlowDecl,
    Import,
    MachineDecl,
    ModelDecl,
    On,
    ParamDecl,
    Parameter,
    Path,
    PolicyDecl,
    ProfileDecl,
    ScenarioDecl,
    Setting,
    SignalDecl,
    State,
    Stub,
    TestDecl,
    TestItem,
    Text,
    ToolDecl,
    TypeDecl,
    TypeExpr,
)

__all__ = ["TreeBuilder"]

_EDITION = 1
_Qualities: TypeAlias = tuple[Expr | None, Expr | None]
"""A default and a constraint, each where there is one."""


class TreeBuilder(StatementBuilder):
    """Makes the nodes of declarations and of the file."""

    def __init__(self, tokens: Tokens) -> None:
        super().__init__(tokens)
        self._comments: list[Comment] = tokens.comments

    def actions(self, names: list[str]) -> list[Callable[..., Any] | None]:
        """For each rule, by the name of its alternative, the method that makes its value; none passes it on."""
        return [getattr(self, name) if name else None for name in names]

    # ---- the file

    def start(self, edition: Edition | None, declarations: list[Declaration]) -> File:
        if edition is None and not self._reported_at_start():
            first = declarations[0].span.start if declarations else 0
            place = Span(self.source, min(first, len(self.source.text)), first)
            fix = Fix("begin with the edition", (Edit(Span(self.source, 0, 0), "orch 1\n\n"),), "machine-applicable")
            self.diagnostics.append(Diagnostic(codes.MISSING_EDITION, place, fix=fix))
        whole = Span(self.source, 0, len(self.source.text))
        return File(edition, tuple(declarations), tuple(self._comments), sound=True, patches=(), span=whole)

    def _reported_at_start(self) -> bool:
        return any(item.code is codes.MISSING_EDITION for item in self.diagnostics)

    def no_edition(self) -> None:
        return None

    def bare_edition(self, word: Token) -> Edition:
        span = self._token_span(word)
        if not word.made:
            after = Span(self.source, word.end, word.end)
            fix = Fix("name the edition", (Edit(after, " 1"),), "machine-applicable")
            self.diagnostics.append(Diagnostic(codes.MISSING_EDITION, span, fix=fix))
        return Edition(_EDITION, span)

    def edition(self, word: Token, number: Token) -> Edition:
        if number.text != str(_EDITION):
            fix = Fix(f"write `{_EDITION}`", (Edit(self._token_span(number), str(_EDITION)),))
            found = number.text if len(number.text) <= 20 else number.text[:20] + "..."
            self.report(codes.UNKNOWN_EDITION, self._token_span(number), fix, found=found)
        return Edition(_EDITION, self.span_from(word.start))

    def import_decl(self, word: Token, path: Text, _as: Token, alias: Token, bindings: list[Attribute]) -> Import:
        span = self.span_from(word.start)
        return Import(path, self.ident(alias), tuple(bindings), self.doc(word.start), span)

    # ---- values and types

    def param_decl(self, word: Token, label: Token, _colon: Token, kind: TypeExpr, qualities: _Qualities) -> ParamDecl:
        return ParamDecl(self.ident(label), kind, *qualities, self.doc(word.start), self.span_from(word.start))

    def parameter(self, label: Token, _colon: Token, kind: TypeExpr, qualities: _Qualities) -> Parameter:
        return Parameter(self.ident(label), kind, *qualities, self.doc(label.start), self.span_from(label.start))

    def field(self, label: Token, _colon: Token, kind: TypeExpr, qualities: _Qualities) -> FieldDecl:
        return FieldDecl(self.ident(label), kind, *qualities, self.doc(label.start), self.span_from(label.start))

    def no_qualities(self) -> _Qualities:
        return None, None

    def default(self, _equal: Token, default: Expr) -> _Qualities:
        return default, None

    def default_where(self, _equal: Token, default: Expr, _where: Token, where: Expr) -> _Qualities:
        return default, where

    def where(self, _where: Token, where: Expr) -> _Qualities:
        return None, where

    def where_default(self, _where: Token, where: Expr, _equal: Token, default: Expr) -> _Qualities:
        return default, where

    def enum_member(self, word: Token) -> EnumMember:
        return EnumMember(self.ident(word), self.doc(word.start), self._token_span(word))

    def enum_decl(
        self, word: Token, name: Token, _opening: Token, members: list[EnumMember], *_closing: Token
    ) -> EnumDecl:
        return EnumDecl(self.ident(name), tuple(members), self.doc(word.start), self.span_from(word.start))

    enum_decl_comma = enum_decl

    def type_decl(
        self, word: Token, name: Token, _opening: Token, fields: list[FieldDecl], _closing: Token
    ) -> TypeDecl:
        return TypeDecl(self.ident(name), tuple(fields), self.doc(word.start), self.span_from(word.start))

    # ---- who and what

    def model_decl(self, word: Token, name: Token, settings: list[Setting]) -> ModelDecl:
        return ModelDecl(self.ident(name), tuple(settings), self.doc(word.start), self.span_from(word.start))

    def decision_decl(self, word: Token, name: Token) -> DecisionDecl:
        return DecisionDecl(self.ident(name), self.doc(word.start), self.span_from(word.start))

    def tool_decl(self, word: Token, name: Token, settings: list[Setting]) -> ToolDecl:
        return ToolDecl(self.ident(name), tuple(settings), self.doc(word.start), self.span_from(word.start))

    def policy_decl(self, word: Token, name: Token, settings: list[Setting]) -> PolicyDecl:
        return PolicyDecl(self.ident(name), tuple(settings), self.doc(word.start), self.span_from(word.start))

    def profile_decl(self, word: Token, target: Path, settings: list[Setting]) -> ProfileDecl:
        return ProfileDecl(target, tuple(settings), self.doc(word.start), self.span_from(word.start))

    def agent_decl(
        self, word: Token, name: Token, _fulfills: Token, contracts: list[Path], settings: list[Setting]
    ) -> AgentDecl:
        kinds: dict[str, Literal["agent", "human", "dispatcher"]] = {"HUMAN": "human", "DISPATCHER": "dispatcher"}
        kind = kinds.get(word.kind, "agent")
        doc, span = self.doc(word.start), self.span_from(word.start)
        return AgentDecl(kind, self.ident(name), tuple(contracts), tuple(settings), doc, span)

    def contract_decl(
        self,
        word: Token,
        name: Token,
        params: list[Parameter],
        _arrow: Token,
        result: TypeExpr,
        settings: list[Setting],
    ) -> ContractDecl:
        doc, span = self.doc(word.start), self.span_from(word.start)
        return ContractDecl(self.ident(name), tuple(params), result, tuple(settings), doc, span)

    def effect_decl(
        self, word: Token, name: Token, params: list[Parameter], result: TypeExpr | None, settings: list[Setting]
    ) -> EffectDecl:
        doc, span = self.doc(word.start), self.span_from(word.start)
        return EffectDecl(self.ident(name), tuple(params), result, tuple(settings), doc, span)

    def signal_decl(
        self, word: Token, name: Token, params: list[Parameter], result: TypeExpr | None, settings: list[Setting]
    ) -> SignalDecl:
        doc, span = self.doc(word.start), self.span_from(word.start)
        return SignalDecl(self.ident(name), tuple(params), result, tuple(settings), doc, span)

    def channel_decl(self, word: Token, name: Token, params: list[Parameter], settings: list[Setting]) -> ChannelDecl:
        doc, span = self.doc(word.start), self.span_from(word.start)
        return ChannelDecl(self.ident(name), tuple(params), tuple(settings), doc, span)

    # ---- topologies

    def flow_decl(
        self, word: Token, name: Token, params: list[Parameter], result: TypeExpr | None, block: Block
    ) -> FlowDecl:
        doc, span = self.doc(word.start), self.span_from(word.start)
        return FlowDecl(self.ident(name), tuple(params), result, self.body(block), doc, span)

    def plain_state(self, word: Token, name: Token, block: Block) -> State:
        doc, span = self.doc(word.start), self.span_from(word.start)
        return State("state", self.ident(name), self.body(block, On), doc, span)

    def marked_state(self, mark: Token, _word: Token, name: Token, block: Block) -> State:
        doc, span = self.doc(mark.start), self.span_from(mark.start)
        kind: Literal["initial", "final"] = "initial" if mark.kind == "INITIAL" else "final"
        return State(kind, self.ident(name), self.body(block, On), doc, span)

    def machine_decl(
        self,
        word: Token,
        name: Token,
        params: list[Parameter],
        result: TypeExpr | None,
        _opening: Token,
        body: list[Attribute | Budget | State],
        _closing: Token,
    ) -> MachineDecl:
        doc, span = self.doc(word.start), self.span_from(word.start)
        return MachineDecl(self.ident(name), tuple(params), result, tuple(body), doc, span)

    # ---- tests and scenarios

    def stub(self, word: Token, target: Path, _equal: Token, values: list[Expr]) -> Stub:
        return Stub(target, tuple(values), self.doc(word.start), self.span_from(word.start))

    def fault(self, word: Token, fault: Expr) -> Fault:
        return Fault(fault, self.doc(word.start), self.span_from(word.start))

    def expect(self, word: Token, condition: Expr) -> Expect:
        return Expect(condition, self.doc(word.start), self.span_from(word.start))

    def test_decl(
        self,
        word: Token,
        title: Text,
        _for: Token,
        target: Path,
        _opening: Token,
        body: list[TestItem],
        _closing: Token,
    ) -> TestDecl:
        return TestDecl(title, target, tuple(body), self.doc(word.start), self.span_from(word.start))

    def scenario_decl(
        self,
        word: Token,
        title: Text,
        _for: Token,
        target: Path,
        _opening: Token,
        body: list[TestItem],
        _closing: Token,
    ) -> ScenarioDecl:
        return ScenarioDecl(title, target, tuple(body), self.doc(word.start), self.span_from(word.start))
