"""Holds a compose file against the specification's own JSON schema and prints it as JSON, anchors and merges resolved.

    python compose.py COMPOSE.yaml SCHEMA.json
"""

import json
import sys

import yaml
from jsonschema.validators import validator_for

with open(sys.argv[1], encoding="utf-8") as file:
    document = yaml.safe_load(file)
with open(sys.argv[2], encoding="utf-8") as file:
    schema = json.load(file)
kind = validator_for(schema)
kind.check_schema(schema)
faults = [f"{'/'.join(map(str, fault.absolute_path))}: {fault.message}" for fault in kind(schema).iter_errors(document)]
if faults:
    sys.exit("\n".join(faults))
print(json.dumps(document))
