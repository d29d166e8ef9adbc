"""What came out: one line a client on the screen, and the same as JSON and as a table in Markdown."""

import json
from dataclasses import asdict, dataclass, field


@dataclass
class Outcome:
    client: str
    version: str = ""
    checks: list = field(default_factory=list)  # of {"name", "level", "problem"}; no problem means passed
    problem: str = ""  # why the client never got to run
    seconds: float = 0.0

    def passed(self, level):
        return sum(1 for check in self.checks if check["level"] == level and not check["problem"])

    def total(self, level):
        return sum(1 for check in self.checks if check["level"] == level)

    def score(self, level):
        return f"{self.passed(level)}/{self.total(level)}"

    def is_good(self):
        return not self.problem and self.passed("must") == self.total("must") and bool(self.checks)


def line(outcome):
    if outcome.problem and not outcome.checks:
        return f"{outcome.client:16} {outcome.problem}"
    return f"{outcome.client:16} {outcome.version:24} must {outcome.score('must'):>9}  should {outcome.score('should'):>9}  {outcome.seconds:.0f} s"


def failures(outcome):
    for check in outcome.checks:
        if check["problem"]:
            yield f"    {check['level']:6} {check['name']}: {check['problem']}"


def table(outcomes):
    rows = ["| client | version | must | should |", "|---|---|---:|---:|"]
    rows += [f"| {it.client} | {it.version or it.problem[:60]} | {it.score('must')} | {it.score('should')} |" for it in outcomes]
    sums = [f"{sum(it.passed(level) for it in outcomes)}/{sum(it.total(level) for it in outcomes)}" for level in ("must", "should")]
    return "\n".join([*rows, f"| **all** | | {sums[0]} | {sums[1]} |"]) + "\n"


def write(outcomes, folder, target):
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps([asdict(it) for it in outcomes], indent=1, ensure_ascii=False)
    (folder / f"{target}.json").write_text(text + "\n")
    (folder / f"{target}.md").write_text(table(outcomes))


def write_into(page, outcomes):
    """Replaces the table between the marks of a page."""
    text = page.read_text()
    before, rest = text.split("<!-- table -->", 1)
    _, after = rest.split("<!-- end -->", 1)
    page.write_text(f"{before}<!-- table -->\n{table(outcomes)}<!-- end -->{after}")
