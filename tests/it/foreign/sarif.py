"""Validates a SARIF file against the schema of the standard, and prints what a reader of results needs of it."""
import json
import sys
from urllib.parse import unquote

import jsonschema

schema = json.load(open(sys.argv[1], encoding="utf-8-sig"))
# Where a schema names no dialect that is known, that of its keywords.
validator = jsonschema.validators.validator_for(schema, default=jsonschema.Draft7Validator)
log = json.load(open(sys.argv[2], encoding="utf-8"))
for error in validator(schema).iter_errors(log):
    print("INVALID", list(error.absolute_path), error.message)
for run in log["runs"]:
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        place = result["locations"][0]["physicalLocation"]
        print(json.dumps([
            result["ruleId"],
            unquote(place["artifactLocation"]["uri"]),
            place["region"]["startLine"],
            place["region"].get("startColumn"),
            result["message"]["text"],
            result["partialFingerprints"]["authtrace/v1"],
        ]))
