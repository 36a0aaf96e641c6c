"""Forks processes of `orch`: the interpreter starts and imports once, so that thousands of crashes take minutes.

    python zygote.py

Reads a request a line, `{"argv", "env", "cwd", "point", "plant", "out", "err"}`, forks a process for it that does what
`orch` does with those arguments, and answers a line: its exit code, negative for a signal. A child has its own streams
and failpoints; it is as killable as any other process.
"""

import json
import os
import sys

os.environ["ORCH_FAILPOINT_TRACE"] = os.devnull  # failpoints are armed when they are imported

from orchspec.cli import (  # noqa: F401
    main,
    resume,
    run,
    running,
)
from orchspec.runtime import app, failpoints  # noqa: F401
from orchspec.runtime.driver import hub  # noqa: F401

BUG = 70


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
    if request.get("plant"):
        from tests.crash.planted import plant

        plant(request["plant"])
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
    serve()
