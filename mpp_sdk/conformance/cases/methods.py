"""What methods do that the contract does not list."""

from mpp_sdk.conformance.refusals import expect_problem
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.subject import Subject
from mpp_sdk.web.contract import Operation

_CHANGING = ("PUT", "PATCH", "DELETE", "POST", "GET")


@case(
    "METHOD-OTHER-01",
    "A method that a path does not take is answered 405, with `Allow`",
    why="Whoever calls wrongly is told how to call, and nothing is done.",
    harmless=True,
)
def other_methods(subject: Subject) -> str:
    tried = 0
    for path, address, taken in _paths(subject):
        for method in _CHANGING:
            if method in taken:
                continue
            tried += 1
            answer = subject.send(method, address, headers=subject.key_header())
            if not expect_problem(subject, answer, 405, f"to a method that {path} does not take"):
                continue
            allowed = {one.strip().upper() for one in answer.headers.get("allow", "").split(",")}
            subject.expect(
                taken <= allowed,
                f"{answer}, and `Allow` names {answer.headers.get('allow', 'nothing')} and not "
                f"{', '.join(sorted(taken))}.",
                advice="Send `Allow` with every 405 (RFC 9110, 15.5.6).",
                exchange=answer,
            )
    return f"{tried} calls answered 405."


@case(
    "METHOD-HEAD-01",
    "HEAD answers as GET does without a body, and harms nothing elsewhere",
    why="Load balancers and monitors ask so; a body after a HEAD is read as the next answer.",
    harmless=True,
)
def head(subject: Subject) -> str:
    found = 0
    for _path, address, taken in _paths(subject):
        answer = subject.send("HEAD", address, headers=subject.key_header())
        subject.expect(answer.status < 500, f"{answer}.", exchange=answer)
        if "GET" not in taken:
            subject.expect(
                answer.status >= 400,
                f"{answer}, though it takes no GET.",
                exchange=answer,
            )
            continue
        found += 1
        read = subject.send("GET", address, headers=subject.key_header())
        subject.expect(
            answer.status == read.status,
            f"{answer}, and GET {read.status}.",
            advice="A server answers HEAD wherever it answers GET (RFC 9110, 9.1).",
            exchange=answer,
        )
    return f"{found} operations answered HEAD as GET."


@case(
    "METHOD-OPTIONS-01",
    "OPTIONS does nothing and is no failure",
    why="Tools ask so what may be called.",
    harmless=True,
)
def options(subject: Subject) -> str:
    paths = list(_paths(subject))
    for _path, address, _taken in paths:
        answer = subject.send("OPTIONS", address, headers=subject.key_header())
        subject.expect(
            answer.status < 500,
            f"{answer}.",
            advice="Answer 204 with `Allow`, or 405.",
            exchange=answer,
        )
    return f"{len(paths)} paths took OPTIONS."


def _paths(subject: Subject) -> list[tuple[str, str, set[str]]]:
    """Return each path that is offered: as the contract has it, as it is called, its methods."""
    found: dict[str, list[Operation]] = {}
    for operation in subject.operations():
        found.setdefault(operation.path, []).append(operation)
    base = subject.contract.base_path
    return [
        (path, subject.sample(operations[0]).address(base + path), {o.method for o in operations})
        for path, operations in found.items()
    ]
