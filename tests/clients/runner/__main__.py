"""The command line of the suite; `run` starts it."""

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

from . import clients, report, targets


def arguments():
    parser = argparse.ArgumentParser(prog="tests/clients/run", description="What real PostgreSQL clients get from Selfsame.")
    parser.add_argument("clients", nargs="*", metavar="CLIENT", help="only these: " + " ".join(it.name for it in clients.ALL))
    parser.add_argument("--all", action="store_true", help="every client, not only the light ones")
    parser.add_argument("--reference", action="store_true", help="the same checks against a real PostgreSQL")
    parser.add_argument("--only", default="", metavar="WORDS", help="only checks whose names have this text")
    parser.add_argument("--report", type=Path, metavar="FOLDER", help="write the outcome there as JSON and Markdown")
    parser.add_argument("--docs", action="store_true", help="write the table of docs/clients.md anew")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="clients at a time [default: 2]")
    return parser.parse_args()


def chosen(options):
    unknown = set(options.clients) - {it.name for it in clients.ALL}
    if unknown:
        raise SystemExit(f"there is no client {', '.join(sorted(unknown))}")
    if options.clients:
        return [it for it in clients.ALL if it.name in options.clients]
    return [it for it in clients.ALL if options.all or it.light]


class Suite:
    def __init__(self, options):
        self.options, self.lock, self.began = options, Lock(), time.monotonic()
        self.target = None

    def say(self, text):
        print(f"[{time.monotonic() - self.began:4.0f} s] {text}", flush=True)

    def command(self, client):
        return client.command + ([self.options.only] if self.options.only else [])

    def run(self, client):
        """One client's checks; those that it planned and never reported have failed."""
        began, deaths, said, problem = time.monotonic(), self.target.deaths, "", ""
        environment = {**os.environ, **self.target.environment(), **client.environment()}
        try:
            done = subprocess.run(self.command(client), env=environment, text=True, capture_output=True, timeout=client.seconds,
                                  errors="replace", cwd=self.target.folder)
            said, noise = done.stdout, done.stderr[-1500:]
            problem = f"ended with {done.returncode}: {noise}" if done.returncode else ""
        except subprocess.TimeoutExpired as error:
            said, problem = (error.stdout or b"").decode(errors="replace"), f"not done within {client.seconds} s"
        except OSError as error:
            problem = str(error)
        outcome = self.outcome(client, said, problem)
        outcome.seconds = time.monotonic() - began
        if self.target.deaths > deaths:
            outcome.problem = f"the server died {self.target.deaths - deaths} times meanwhile: {self.target.log.read_text()[-400:]}"
        self.show(outcome)
        return outcome

    def outcome(self, client, said, problem):
        events = [json.loads(line[1:]) for line in said.splitlines() if line.startswith("@{")]
        plan = next((it for it in events if it["kind"] == "plan"), {"version": "", "checks": []})
        done = {it["name"]: it["problem"] for it in events if it["kind"] == "check"}
        checks = [{"name": name, "level": level, "problem": done.get(name, problem or "it never ran")} for name, level in plan["checks"]]
        return report.Outcome(client.name, plan["version"], checks, problem if problem or plan["checks"] else "it has no checks")

    def show(self, outcome):
        with self.lock:
            self.say(report.line(outcome))
            for failure in report.failures(outcome):
                print(failure[:700], flush=True)
            if outcome.problem:
                print(f"    {outcome.problem}", flush=True)

    def main(self):
        wanted = chosen(self.options)
        clients.apt(["postgresql", "postgresql-client"] if self.options.reference else ["postgresql-client"])
        problems = clients.install(wanted, self.say)
        self.target = targets.PostgreSQL() if self.options.reference else targets.Selfsame()
        self.target.start()
        try:
            self.target.load()
            self.say(f"{self.target.name} {self.target.version()} listens on port {self.target.port}")
            outcomes = [report.Outcome(it.name, problem=problems[it.name]) for it in wanted if it.name in problems]
            for outcome in outcomes:
                self.show(outcome)
            with ThreadPoolExecutor(self.options.jobs) as pool:
                outcomes += pool.map(self.run, [it for it in wanted if it.name not in problems])
        finally:
            self.target.stop()
        print("\n" + report.table(outcomes))
        if self.options.report:
            report.write(outcomes, self.options.report, self.target.name)
        if self.options.docs:
            report.write_into(targets.ROOT / "docs/clients.md", outcomes)
        self.target.remove()
        return 0 if all(it.is_good() for it in outcomes) else 1


sys.exit(Suite(arguments()).main())
