"""Checks Kubernetes manifests against the schemas of several releases, unknown fields included, and prints as JSON what the
relay must keep: its configurations, arguments, probes and bounds."""

import json
import sys

import kubernetes_validate
import yaml

# The oldest release in which a sidecar that starts first is on by default, and the newest whose schema is at hand.
RELEASES = ["1.29", "1.37"]


def containers(document):
    spec = document.get("spec", {}).get("template", {}).get("spec", {})
    for container in spec.get("initContainers", []) + spec.get("containers", []):
        yield spec, container


told = {"configurations": [], "relays": [], "documents": 0}
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as manifest:
        documents = list(yaml.safe_load_all(manifest))
    for document in documents:
        for release in RELEASES:
            kubernetes_validate.validate(document, release, strict=True)
        told["documents"] += 1
        if document["kind"] == "ConfigMap":
            told["configurations"] += document["data"].values()
        for spec, container in containers(document):
            if container["name"] == "relay":
                told["relays"].append({
                    "arguments": container["args"],
                    "port": {port["name"]: port["containerPort"] for port in container["ports"]},
                    "probes": {name: probe["httpGet"] | {"seconds": probe["periodSeconds"] * probe["failureThreshold"]}
                               for name, probe in container.items() if name.endswith("Probe")},
                    "mounts": [mount["mountPath"] for mount in container["volumeMounts"]],
                    "secure": container["securityContext"],
                    "pod": spec["securityContext"],
                    "limits": container["resources"]["limits"],
                    "grace": spec["terminationGracePeriodSeconds"],
                })
json.dump(told, sys.stdout)
