"""The program: one argument, the folder with the plan. It ends with status 0 when the engine is installed, else 1."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

from .commands import say
from .installation import install
from .plan import DONE, FAILED, LOCK, PROGRESS, RUNNING, Report, read_plan, write_json
from .problem import SetupProblem


def main(folder: Path) -> int:
    """Install what the plan in `folder` says, and say there how far it is."""

    def progress(text: str, fraction: float) -> None:
        write_json(folder / PROGRESS, Report(RUNNING, text, fraction))

    try:
        say(f"installed: {install(read_plan(folder), progress)}")
    except SetupProblem as problem:
        report = Report(FAILED, "", 1.0, problem.code, problem.message, problem.hint)
    except OSError as error:
        full = error.errno == errno.ENOSPC
        message = "the disk is full" if full else f"{error.filename or 'a file'} cannot be written ({error.strerror})"
        code, hint = ("no-space", "free some space") if full else ("no-permission", "change its permissions")
        report = Report(FAILED, "", 1.0, code, message, f"{hint}, and press Install again")
    else:
        report = Report(DONE, "Installed", 1.0)
    write_json(folder / PROGRESS, report)
    (folder / LOCK).unlink(missing_ok=True)
    say(f"{report.code}: {report.message}; {report.hint}" if report.code else report.text)
    return 0 if report.state == DONE else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
