"""Forks processes of `orch`: the interpreter starts and imports once, so that thousands of crashes take minutes.

    python zygote.py

Reads a request a line, `{"argv", "env", "cwd", "point", "plant", "leaps", "witness", "out", "err"}`, forks a process
for it that does what `orch` does with those arguments, and answers a line: its exit code, negative for a signal. A
child has its own streams and failpoints; it is as killable as any other process.
"""

import gc
import json
import os
import pkgutil
import sys
from importlib import import_module

os.environ["ORCH_FAILPOINT_TRACE"] = os.devnull  # failpoints are armed when they are imported

from orchspec import cli, compiler, grammar, runtime
from orchspec.cli import main
from orchspec.compiler import compile_text
from orchspec.compiler.plan import plan_from_json
from orchspec.runtime import failpoints
from tests.crash import leaping, planted

BUG = 70


def warm():
    """Everything is imported and the parser's tables are read, so that a child begins with its work."""
    for part in (grammar, compiler, runtime, cli):
        for module in pkgutil.walk_packages(part.__path__, f"{part.__name__}."):
            import_module(module.name)
    plan_from_json(compile_text("orch 1\nflow f() -> Int { return 1 }\n", "warm.orch").plan.as_json())
    gc.freeze()


def become(request):
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.path.insert(0, request["cwd"])
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, number)
        os.close(file)
    failpoints._trace = request["env"].get("ORCH_FAILPOINT_TRACE", "")
    failpoints._name, failpoints._left = failpoints._read(request.get("point") or "")
    sys.argv = ["orch", *request["argv"]]
    if request.get("leaps"):
        leaping.leap()
    if request.get("plant"):
        planted.plant(request["plant"])
    if request.get("witness"):
        planted.witness(*request["witness"])
    main()


def serve():
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            code = BUG
            try:
                become(json.loads(line))
                code = 0
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
            finally:
                sys.stdout.flush()
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        print(code, flush=True)


if __name__ == "__main__":
    warm()
    serve()
