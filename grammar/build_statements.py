"""Productions to nodes, part two: statements, dispatch and the clauses of states."""

from __future__ import annotations

from orchspec.grammar import codes
from orchspec.grammar.build_expressions import ExpressionBuilder
from orchspec.grammar.diagnostics import Diagnostic, Edit, Fix
from orchspec.grammar.lexer import Token
from orchspec.grammar.source import Span
from orchspec.grammar.syntax import (
    Arbitrate,
    Arg,
    Arm,
    Attribute,
    Block,
    Budget,
    By,
    ByAgent,
    ByAll,
    ByAny,
    ByCount,
    ByFirst,
    Call,
    Checkpoint,
    Eval,
    Every,
    Expr,
    Fail,
    Field,
    For,
    Give,
    Handoff,
    Hole,
    Ident,
    Let,
    ListLit,
    Name,
    Node,
    On,
    Path,
    Peers,
    Repeat,
    Require,
    Return,
    Revert,
    Route,
    Scope,
    Send,
    Setting,
    Statement,
    Step,
    Supervise,
    Until,
    Wait,
)

__all__ = ["HOW_TO_ASK", "StatementBuilder"]

HOW_TO_ASK = (
    "write `by all of [a, b]` for everybody, `by any of [a, b]` for one of them, `by first of [a, b]` for a race"
)
_KEYWORDS: dict[type[Node], str] = {Until: "until", Every: "every", On: "on"}


class StatementBuilder(ExpressionBuilder):
    """Makes the nodes of statements."""

    # ---- who does the work

    def _name_path(self, expr: Expr) -> Path | None:
        """The dotted name that an expression spells, as a path; an empty one for what recovery made up."""
        parts: list[Ident] = []
        while isinstance(expr, Field):
            parts.append(expr.name)
            expr = expr.base
        if not isinstance(expr, Name | Hole):
            return None
        parts.append(Ident(expr.text if isinstance(expr, Name) else "", expr.span))
        parts.reverse()
        return Path(tuple(parts), parts[0].span.to(parts[-1].span))

    def _agents(self, expr: Expr, where: str) -> tuple[Path, ...]:
        """The agents of a list such as `[a, b]`; reports what is none and leaves it out."""
        if isinstance(expr, Hole):
            return ()
        if not isinstance(expr, ListLit):
            self.report(codes.NOT_A_LIST_OF_NAMES, expr.span, where=where)
            path = self._name_path(expr)
            return () if path is None else (path,)
        agents: list[Path] = []
        for item in expr.items:
            path = self._name_path(item)
            if path is None:
                self.report(codes.NOT_A_LIST_OF_NAMES, item.span, where=where)
            else:
                agents.append(path)
        return tuple(agents)

    def by_one(self, word: Token, who: Expr) -> By | None:
        span = self.span_from(word.start)
        path = self._name_path(who)
        if isinstance(who, ListLit):
            fix = Fix("ask all of them", (Edit(Span(self.source, who.span.start, who.span.start), "all of "),))
            args = {"found": "a list alone"}
            self.diagnostics.append(Diagnostic(codes.BAD_BY, who.span, args, notes=(HOW_TO_ASK,), fix=fix))
            return ByAll(self._agents(who, "`all of`"), span)
        if path is None or path.text == "first":
            self.report(codes.BAD_BY, who.span, found="`by first`" if path else "this")
            return None
        if path.text == "any":
            return ByAny(None, span)
        if path.text == "all":
            return ByAll(None, span)
        return ByAgent(path, span)

    def by_of(self, word: Token, how: Expr, _of: Token, who: Expr) -> By | None:
        span = self.span_from(word.start)
        kind = how.text if isinstance(how, Name) else ""
        if kind == "any":
            return ByAny(self._agents(who, "`any of`"), span)
        if kind == "all":
            return ByAll(self._agents(who, "`all of`"), span)
        if kind == "first":
            return ByFirst(self._agents(who, "`first of`"), span)
        agent = self._name_path(who)
        if agent is None or isinstance(how, Hole):
            if isinstance(how, Hole):
                return None
            self.report(codes.BAD_BY, who.span, found="a count `of` something that is not one agent")
            return None
        return ByCount(how, agent, span)

    def loop(self, word: Token, name: Token, _in: Token, items: Expr) -> For:
        return For(self.ident(name), items, self.span_from(word.start))

    def dispatch(self, work: Call | Hole, by: By | None, loop: For | None, settings: list[Setting]) -> Step:
        """The call of an arm: a step without a name."""
        return Step(Ident("", work.span), work, by, loop, tuple(settings), None, self.span_from(work.span.start))

    def step(
        self,
        word: Token,
        name: Token,
        _equal: Token,
        work: Call | Hole,
        by: By | None,
        loop: For | None,
        settings: list[Setting],
    ) -> Step:
        span = self.span_from(word.start)
        return Step(self.ident(name), work, by, loop, tuple(settings), self.doc(word.start), span)

    # ---- blocks

    def block(self, opening: Token, body: list[Statement], _closing: Token) -> Block:
        return Block(tuple(body), self.span_from(opening.start))

    def body(self, block: Block, *allowed: type[Node]) -> tuple[Statement, ...]:
        """The statements of a block; reports those that belong only into a round or a state, unless `allowed`."""
        for statement in block.body:
            keyword = _KEYWORDS.get(type(statement))
            if keyword is not None and not isinstance(statement, allowed):
                start = statement.span.start
                self.report(codes.MISPLACED_STATEMENT, Span(self.source, start, start + len(keyword)), found=keyword)
        return block.body

    def scope(self, word: Token, name: Token, loop: For | None, block: Block) -> Scope:
        return Scope(self.ident(name), loop, self.body(block), self.doc(word.start), self.span_from(word.start))

    def plain_route(self, word: Token, name: Token, _opening: Token, arms: list[Arm], _closing: Token) -> Route:
        return Route(self.ident(name), None, tuple(arms), self.doc(word.start), self.span_from(word.start))

    def route(
        self, word: Token, name: Token, _on: Token, subject: Expr, _opening: Token, arms: list[Arm], _closing: Token
    ) -> Route:
        return Route(self.ident(name), subject, tuple(arms), self.doc(word.start), self.span_from(word.start))

    def _arm(self, word: Token, patterns: list[Expr], when: Expr | None, body: Step | Give | Fail | Block) -> Arm:
        if isinstance(body, Block):
            self.body(body)
        else:
            body = Block((body,), body.span)
        return Arm(tuple(patterns), when, body, self.doc(word.start), self.span_from(word.start))

    def case_arm(
        self, word: Token, patterns: list[Expr], when: Expr | None, _arrow: Token, body: Step | Give | Fail | Block
    ) -> Arm:
        return self._arm(word, patterns, when, body)

    def when_arm(self, word: Token, when: Expr, _arrow: Token, body: Step | Give | Fail | Block) -> Arm:
        return self._arm(word, [], when, body)

    def else_arm(self, word: Token, _arrow: Token, body: Step | Give | Fail | Block) -> Arm:
        return self._arm(word, [], None, body)

    def arm_fail(self, word: Token, message: Expr) -> Fail:
        return self.fail(word, message, None)

    def repeat(
        self,
        word: Token,
        name: Token,
        times: Expr,
        _times: Token,
        every: Every | None,
        block: Block,
        otherwise: Block | None,
    ) -> Repeat:
        if otherwise is not None:
            self.body(otherwise)
        body = self.body(block, Until, Every)
        if every is not None:
            body = (every, *body)
        return Repeat(self.ident(name), times, body, otherwise, self.doc(word.start), self.span_from(word.start))

    def until(self, word: Token, condition: Expr) -> Until:
        return Until(condition, self.doc(word.start), self.span_from(word.start))

    def every(self, word: Token, period: Expr) -> Every:
        return Every(period, self.doc(word.start), self.span_from(word.start))

    def period(self, word: Token, period: Expr) -> Every:
        return Every(period, self.doc(word.start), self.span_from(word.start), ahead=True)

    # ---- single statements

    def arbitrate(
        self, word: Token, name: Token, _equal: Token, candidates: Expr, settings: list[Setting]
    ) -> Arbitrate:
        span = self.span_from(word.start)
        return Arbitrate(self.ident(name), candidates, tuple(settings), self.doc(word.start), span)

    def supervise(
        self, word: Token, name: Token, _equal: Token, work: Call | Hole, by: By | None, settings: list[Setting]
    ) -> Supervise:
        span = self.span_from(word.start)
        return Supervise(self.ident(name), work, by, tuple(settings), self.doc(word.start), span)

    def peers(
        self,
        word: Token,
        name: Token,
        _equal: Token,
        work: Call | Hole,
        _among: Token,
        among: Expr,
        _opening: Token,
        body: list[Attribute | Budget | Handoff],
        _closing: Token,
    ) -> Peers:
        agents = self._agents(among, "`among`")
        span = self.span_from(word.start)
        return Peers(self.ident(name), work, agents, tuple(body), self.doc(word.start), span)

    def handoff(self, word: Token, source: Path, _arrow: Token, targets: list[Path], when: Expr | None) -> Handoff:
        return Handoff(source, tuple(targets), when, self.doc(word.start), self.span_from(word.start))

    def eval(
        self, word: Token, name: Token, _equal: Token, work: Call | Hole, by: By | None, settings: list[Setting]
    ) -> Eval:
        span = self.span_from(word.start)
        return Eval(self.ident(name), work, by, tuple(settings), self.doc(word.start), span)

    def let(self, word: Token, name: Token, _equal: Token, value: Expr) -> Let:
        return Let(self.ident(name), value, self.doc(word.start), self.span_from(word.start))

    def fail(self, word: Token, message: Expr, when: Expr | None) -> Fail:
        return Fail(message, when, self.doc(word.start), self.span_from(word.start))

    def revert(self, word: Token, name: Token) -> Revert:
        return Revert(self.ident(name), self.doc(word.start), self.span_from(word.start))

    def checkpoint(self, word: Token, name: Token) -> Checkpoint:
        return Checkpoint(self.ident(name), self.doc(word.start), self.span_from(word.start))

    def wait(self, word: Token, value: Expr) -> Wait:
        return Wait(value, self.doc(word.start), self.span_from(word.start))

    def send(self, word: Token, message: Call | Hole) -> Send:
        return Send(message, self.doc(word.start), self.span_from(word.start))

    def return_statement(self, word: Token, value: Expr) -> Return:
        return Return(value, self.doc(word.start), self.span_from(word.start))

    def give(self, word: Token, value: Expr) -> Give:
        return Give(value, self.doc(word.start), self.span_from(word.start))

    def require(self, word: Token, earlier: Token, _before: Token, later: Token) -> Require:
        return Require(self.ident(earlier), self.ident(later), self.doc(word.start), self.span_from(word.start))

    def on_event(
        self,
        word: Token,
        event: Path,
        args: list[Arg] | None,
        alias: Token | None,
        when: Expr | None,
        _arrow: Token,
        target: Token,
    ) -> On:
        return On(
            event,
            None if args is None else tuple(args),
            None if alias is None else self.ident(alias),
            when,
            self.ident(target),
            self.doc(word.start),
            self.span_from(word.start),
        )
