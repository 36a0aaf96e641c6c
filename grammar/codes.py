"""The codes of syntax errors: E00xx for characters and tokens, E01xx for structure."""

from __future__ import annotations

from orchspec.grammar.diagnostics import define

__all__ = [
    "BAD_BY",
    "BAD_DURATION",
    "BAD_ESCAPE",
    "BAD_MONEY",
    "BAD_NUMBER",
    "BLOCK_COMMENT",
    "CHAINED_COMPARISON",
    "CONTROL_CHARACTER",
    "CURLY_QUOTES",
    "FOREIGN_DECLARATION",
    "FOREIGN_EXPRESSION",
    "FOREIGN_NAME",
    "FOREIGN_OPERATOR",
    "FOREIGN_SETTINGS",
    "FOREIGN_STATEMENT",
    "HASH_COMMENT",
    "INDENTED_BLOCK",
    "LEADING_DOT",
    "LITERAL_TOO_LARGE",
    "MISPLACED_STATEMENT",
    "MISSING_EDITION",
    "MISSING_TOKEN",
    "MISSPELT_KEYWORD",
    "NOT_A_LIST_OF_NAMES",
    "RESERVED_WORD",
    "SEMICOLON",
    "SINGLE_QUOTES",
    "TOO_DEEP",
    "TOO_LARGE",
    "TOO_MANY_ERRORS",
    "UNCLOSED_BLOCK",
    "UNCLOSED_COMMENT",
    "UNCLOSED_STRING",
    "UNEXPECTED_CHARACTER",
    "UNEXPECTED_TOKEN",
    "UNKNOWN_EDITION",
    "UNREADABLE",
    "WRONG_EQUALS",
    "WRONG_TOKEN",
]

UNEXPECTED_CHARACTER = define(
    "E0001",
    "unexpected-character",
    "the character {found} has no meaning here",
    explanation="Outside of strings and comments, Orch uses letters, digits, `_`, quotes and a few signs.",
    bad="orch 1\nflow f(a: Text) -> Text { return a @ }",
    good="orch 1\nflow f(a: Text) -> Text { return a }",
)
CONTROL_CHARACTER = define(
    "E0002",
    "control-character",
    "the control character {found} cannot stand in a spec",
    explanation="""
Control characters other than tab and line ends hide in an editor and can make a text look different from what it
says. Delete the character; in a string, write it as `\\u{...}`.
""",
    bad="orch 1\ndecision a\x07",
    good="orch 1\ndecision a",
)
UNCLOSED_STRING = define(
    "E0003",
    "unclosed-string",
    "the string that starts here is not closed",
    explanation='A string ends on the line on which it starts; a text of several lines stands between `"""` and `"""`.',
    bad='orch 1\nflow f(a: Text) -> Text { return "a }',
    good='orch 1\nflow f(a: Text) -> Text { return "a" }',
)
UNCLOSED_COMMENT = define(
    "E0004",
    "unclosed-comment",
    "the comment that starts here is not closed",
    explanation="Comments are written `// ...` and end with their line. `/*` is not a comment of Orch.",
    bad="orch 1\n/* a decision\ndecision a",
    good="orch 1\n// a decision\ndecision a",
)
BLOCK_COMMENT = define(
    "E0005",
    "block-comment",
    "comments are written `//`, not `/* */`",
    explanation="There is one way to write a comment: `//` up to the end of the line.",
    bad="orch 1\n/* a decision */\ndecision a",
    good="orch 1\n// a decision\ndecision a",
)
HASH_COMMENT = define(
    "E0006",
    "hash-comment",
    "comments are written `//`, not `#`",
    explanation="There is one way to write a comment: `//` up to the end of the line.",
    bad="orch 1\n# a decision\ndecision a",
    good="orch 1\n// a decision\ndecision a",
)
BAD_ESCAPE = define(
    "E0007",
    "bad-escape",
    "{found} is not an escape in a string",
    explanation=r"""
Known escapes: `\"`, `\\`, `\n`, `\r`, `\t`, and `\u{...}` with one to six hexadecimal digits of a Unicode character.
A backslash itself is written `\\`.
""",
    bad='orch 1\nflow f(a: Text) -> Text { return "C:\\dir" }',
    good='orch 1\nflow f(a: Text) -> Text { return "C:\\\\dir" }',
)
CURLY_QUOTES = define(
    "E0008",
    "curly-quotes",
    'strings stand between straight quotes `"`, not {found}',
    explanation="Word processors turn straight quotes into curly ones; a spec needs the straight ones.",
    bad="orch 1\nflow f(a: Text) -> Text { return “a” }",
    good='orch 1\nflow f(a: Text) -> Text { return "a" }',
)
SINGLE_QUOTES = define(
    "E0009",
    "single-quotes",
    'strings stand between double quotes `"`',
    explanation="There is one way to write a string: between double quotes.",
    bad="orch 1\nflow f(a: Text) -> Text { return 'a' }",
    good='orch 1\nflow f(a: Text) -> Text { return "a" }',
)
BAD_DURATION = define(
    "E0010",
    "bad-duration",
    "`{found}` is not a duration",
    explanation="""
A duration is one number and one unit: `ms`, `s`, `min`, `h` or `d`, without a space. `m` alone could be minutes or
months and is refused; `1h30min` is written `90min`.
""",
    bad="orch 1\npolicy p { timeout = 5m }",
    good="orch 1\npolicy p { timeout = 5min }",
)
BAD_MONEY = define(
    "E0011",
    "bad-money",
    "`{found}` is not an amount of money",
    explanation="Money is `$` and a number in US dollars, such as `$4`, `$0.25`, `$1_000`; `k` and `M` are for counts.",
    bad="orch 1\nprofile p { cost = $1k }",
    good="orch 1\nprofile p { cost = $1_000 }",
)
LEADING_DOT = define(
    "E0012",
    "leading-dot",
    "a number does not start with a dot: `{found}`",
    explanation="Write the zero: `0.5`.",
    bad="orch 1\nprofile p { share = .5 }",
    good="orch 1\nprofile p { share = 0.5 }",
)
BAD_NUMBER = define(
    "E0013",
    "bad-number",
    "`{found}` is not a number",
    explanation="Numbers are `400`, `400_000`, `400k`, `1.5M`; there is no exponent. Names begin with letters.",
    bad="orch 1\ntool t { slots = 4x }",
    good="orch 1\ntool t { slots = 4 }",
)
LITERAL_TOO_LARGE = define(
    "E0014",
    "literal-too-large",
    "the number has {digits} digits; at most {limit} are read",
    explanation="Whole numbers have 64 bits and money and durations little more; longer literals are refused unread.",
    bad="orch 1\ntool t { slots = " + "9" * 50 + " }",
    good="orch 1\ntool t { slots = 9 }",
)
FOREIGN_OPERATOR = define(
    "E0015",
    "foreign-operator",
    "`{found}` is written `{expected}`",
    explanation="The operators of logic are words: `and`, `or`, `not`.",
    bad="orch 1\nflow f(a: Bool, b: Bool) -> Bool { return a && b }",
    good="orch 1\nflow f(a: Bool, b: Bool) -> Bool { return a and b }",
)
SEMICOLON = define(
    "E0016",
    "semicolon",
    "statements need no `;`",
    explanation="Every statement starts with a keyword or with `NAME =`, so nothing stands between two of them.",
    bad="orch 1\ndecision a;",
    good="orch 1\ndecision a",
)
FOREIGN_NAME = define(
    "E0017",
    "foreign-name",
    "the name `{found}` has characters other than a-z, A-Z, 0-9 and `_`",
    explanation="""
Names become columns, metrics and Python identifiers, and letters that look alike must not be different names. Texts
and comments may hold any character.
""",
    bad="orch 1\ndecision café",
    good="orch 1\ndecision cafe",
)
TOO_LARGE = define(
    "E0018",
    "too-large",
    "the file has {found} bytes; at most {limit} are read",
    explanation="A spec is untrusted input, and the time to check it must be bounded. Split it and use `import`.",
    bad="// a file of more than a megabyte",
    good="orch 1",
)
TOO_DEEP = define(
    "E0019",
    "too-deep",
    "nested more than {limit} deep",
    explanation="""
A spec is untrusted input; every pass over it must end in bounded memory. Brackets, blocks and operators may be nested
up to this depth: name parts of the expression with `let`, or move a block to a flow of its own.
""",
    bad="orch 1\nflow f(a: Int) -> Int { return " + "(" * 80 + "a" + ")" * 80 + " }",
    good="orch 1\nflow f(a: Int) -> Int { return (a) }",
)

MISSING_EDITION = define(
    "E0100",
    "missing-edition",
    "a spec starts with the line `orch 1`",
    explanation="The first line names the edition of the language, so that later editions can read older specs.",
    bad="decision a",
    good="orch 1\ndecision a",
)
UNKNOWN_EDITION = define(
    "E0101",
    "unknown-edition",
    "there is no edition {found} of the language; this version knows edition 1",
    explanation="The spec was written for another version of Orch, or the number is a slip.",
    bad="orch 7\ndecision a",
    good="orch 1\ndecision a",
)
MISSING_TOKEN = define(
    "E0102",
    "missing-token",
    "{expected} is missing {where}",
    explanation="Something that the language needs at this place is not there. The report says what, and where.",
    bad="orch 1\nflow f(a: Text) -> Text { let b a  return b }",
    good="orch 1\nflow f(a: Text) -> Text { let b = a  return b }",
)
MISSPELT_KEYWORD = define(
    "E0103",
    "misspelt-keyword",
    "`{found}` is not a keyword; did you mean `{expected}`?",
    explanation="No statement or clause starts with this word, but one is spelt nearly the same.",
    bad="orch 1\nflow f(a: Text) -> Text { retrun a }",
    good="orch 1\nflow f(a: Text) -> Text { return a }",
)
UNEXPECTED_TOKEN = define(
    "E0104",
    "unexpected-token",
    "{found} is one too many here",
    explanation="Without it, what stands around it reads well.",
    bad="orch 1\nflow f(a: Text) -> Text { return a) }",
    good="orch 1\nflow f(a: Text) -> Text { return a }",
)
WRONG_TOKEN = define(
    "E0105",
    "wrong-token",
    "expected {expected}, found {found}",
    explanation="Something else is needed at this place.",
    bad="orch 1\nflow f(a: Text) -> Text { let b : a  return b }",
    good="orch 1\nflow f(a: Text) -> Text { let b = a  return b }",
)
UNREADABLE = define(
    "E0106",
    "unreadable",
    "expected {expected}, found {found}",
    explanation="""
What stands here fits nothing that the language knows, and no small repair makes it fit. It was skipped, up to the
next statement or declaration, to look for further mistakes.
""",
    bad="orch 1\nflow f(a: Text) -> Text { step ] ) x of 3 return a }",
    good="orch 1\nflow f(a: Text) -> Text { return a }",
)
WRONG_EQUALS = define(
    "E0107",
    "wrong-equals",
    "`{found}` stands where `{expected}` is meant",
    explanation="`=` gives a name or an attribute its value; `==` compares.",
    bad='orch 1\nflow f(a: Int) -> Int { fail "no" when a = 1  return a }',
    good='orch 1\nflow f(a: Int) -> Int { fail "no" when a == 1  return a }',
)
RESERVED_WORD = define(
    "E0108",
    "reserved-word",
    "`{found}` is a word of the language and cannot be a name here",
    explanation="""
Keywords are reserved, except before a colon, after a dot and as members of an enum. Choose another name.
""",
    bad="orch 1\nflow state(a: Text) -> Text { return a }",
    good="orch 1\nflow status(a: Text) -> Text { return a }",
)
CHAINED_COMPARISON = define(
    "E0109",
    "chained-comparison",
    "comparisons do not chain",
    explanation="`a < b < c` would compare a truth value with a number. Write `b in a..c`, or join two with `and`.",
    bad="orch 1\nflow f(a: Int) -> Bool { return 1 < a < 3 }",
    good="orch 1\nflow f(a: Int) -> Bool { return 1 < a and a < 3 }",
)
MISPLACED_STATEMENT = define(
    "E0110",
    "misplaced-statement",
    "`{found}` cannot stand here",
    explanation="`until` and `every` belong directly into a `repeat`, `on` directly into a `state` of a machine.",
    bad="orch 1\nflow f(a: Int) -> Int { until a > 3  return a }",
    good="orch 1\nflow f(a: Int) -> Int { repeat b 3 times { until a > 3  give a }  return b }",
)
BAD_BY = define(
    "E0111",
    "bad-by",
    "{found} does not say who does the work",
    explanation="""
`by` is followed by an agent, `any`, `any of [a, b]`, `all`, `all of [a, b]`, `3 of a` (one agent, asked several times)
or `first of [a, b]`.
""",
    bad="orch 1\nflow f(a: Int) -> Int { step b = C(a) by 3  return b }",
    good="orch 1\nflow f(a: Int) -> Int { step b = C(a) by 3 of critic  return b }",
)
NOT_A_LIST_OF_NAMES = define(
    "E0112",
    "not-a-list-of-names",
    "{where} takes a list of agents such as `[a, b]`",
    explanation="The agents are known before anything runs, so they are named one by one between brackets.",
    bad="orch 1\nflow f(a: Int) -> Int { step b = C(a) by any of critic  return b }",
    good="orch 1\nflow f(a: Int) -> Int { step b = C(a) by any of [critic]  return b }",
)
UNCLOSED_BLOCK = define(
    "E0113",
    "unclosed-block",
    "`}}` is missing here: a block is not closed",
    explanation="Every `{` needs its `}`. Where it is missing was guessed from the indentation.",
    bad="orch 1\npolicy p {\n  attempts = 2\npolicy q { attempts = 3 }",
    good="orch 1\npolicy p {\n  attempts = 2\n}\npolicy q { attempts = 3 }",
)
TOO_MANY_ERRORS = define(
    "E0114",
    "too-many-errors",
    "too many syntax errors: the rest of the file was not read",
    explanation="With so many syntax errors the file is hardly a spec, and the time to read it must be bounded.",
    bad="@ " * 120,
    good="orch 1",
)
FOREIGN_STATEMENT = define(
    "E0115",
    "foreign-statement",
    "`{found}` is no statement of Orch",
    explanation="""
A flow says what there is to do and what depends on what; it is no program that is executed line by line. The report
says what does in Orch what this word does elsewhere.
""",
    bad='orch 1\nflow f(a: Int) -> Int {\n  if a > 3 {\n    fail "too large"\n  }\n  return a\n}',
    good='orch 1\nflow f(a: Int) -> Int {\n  fail "too large" when a > 3\n  return a\n}',
)
FOREIGN_EXPRESSION = define(
    "E0116",
    "foreign-expression",
    "expressions have no {what}",
    explanation="""
Expressions are small on purpose: names, fields, operators, and a few built-in functions, all of them bounded. The
report says how to write what is meant.
""",
    bad='orch 1\nflow f(a: Int) -> Text { return "a" if a > 3 else "b" }',
    good='orch 1\nflow f(a: Int) -> Text {\n  route r { when a > 3 -> give "a"  else -> give "b" }\n  return r\n}',
)
FOREIGN_SETTINGS = define(
    "E0117",
    "foreign-settings",
    "{what} are written `{form}`{rest}",
    explanation="""
Attributes are given with `=`, limits of a budget with `<=`; what follows is told by the next name, so nothing stands
between two of them. `:` belongs to what has a type or is a value: parameters, fields and records.
""",
    bad="orch 1\ntool search { rate: 10 / 1s, slots: 16 }",
    good="orch 1\ntool search { rate = 10 / 1s  slots = 16 }",
)
INDENTED_BLOCK = define(
    "E0118",
    "indented-block",
    "a block stands between `{{` and `}}`, not behind `:`",
    explanation="Line ends and indentation mean nothing in Orch; braces say what belongs together.",
    bad="orch 1\nflow f(a: Int) -> Int:\n  return a",
    good="orch 1\nflow f(a: Int) -> Int {\n  return a\n}",
)
FOREIGN_DECLARATION = define(
    "E0119",
    "foreign-declaration",
    "this is no declaration of Orch",
    explanation="""
A spec is the line `orch 1` and declarations, each of which begins with its keyword: `contract`, `agent`, `flow` and so
on. `orch new` makes a small one to start from.
""",
    bad="orch 1\nagents:\n  - name: scout",
    good="orch 1\ncontract Find(topic: Text) -> Text\nagent scout fulfills Find { timeout = 30s }",
)
