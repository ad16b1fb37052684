"""Reads a JUnit file with a foreign parser, and prints its testcases."""
import json
import sys

from junitparser import JUnitXml

report = JUnitXml.fromfile(sys.argv[1])
counts = [0, 0, 0, 0]
for suite in report:
    for case in suite:
        results = [[type(one).__name__, one.type, one.message, one.text] for one in case.result]
        print(json.dumps([suite.name, case.classname, case.name, results]))
        counts[0] += 1
        for at, name in enumerate(["Failure", "Error", "Skipped"], 1):
            counts[at] += any(kind == name for kind, *_ in results)
assert counts == [report.tests, report.failures, report.errors, report.skipped], counts
