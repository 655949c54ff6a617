"""What the program is made of: a bill of materials (CycloneDX) and the licences of others, both into a folder.

    python bill.py FOLDER

What is linked is asked of cargo, for the program alone and this machine's platform. C that crates bring along, and what is no
crate, stand in the tables below; a crate with C in it that they do not know stops this, so that none is forgotten. The same
source gives the same bytes.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
import uuid
from datetime import datetime, timezone
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

TOP = Path(__file__).resolve().parent.parent
PROGRAM = "mesh-relay"
LICENCE_FILES = re.compile(r"(licen[cs]e|copying|copyright|notice|unlicense)", re.IGNORECASE)

# Crate: name of what it brings along, its folder there, where its version stands, its licence, who made it (as in CPEs).
BUNDLED = {
    "aws-lc-sys": (
        "aws-lc",
        "aws-lc",
        ("include/openssl/base.h", r'AWSLC_VERSION_NUMBER_STRING "([^"]+)"'),
        "Apache-2.0 AND ISC AND MIT AND BSD-3-Clause",
        "amazon",
    ),
    "libsqlite3-sys": (
        "sqlite",
        "sqlite3",
        ("sqlite3.h", r'define SQLITE_VERSION +"([^"]+)"'),
        "blessing",
        "sqlite",
    ),
    "libz-sys": ("zlib", "src/zlib", ("zlib.h", r'define ZLIB_VERSION "([^"]+)"'), "Zlib", "zlib"),
    "rdkafka-sys": (
        "librdkafka",
        "librdkafka",
        # The crate's own version says it in one piece; the header has it as hexadecimal digits.
        (None, r"\+(.+)$"),
        "BSD-2-Clause AND BSD-3-Clause AND MIT AND Zlib AND CC0-1.0 AND Apache-2.0",
        "confluent",
    ),
    "zstd-sys": ("zstd", "zstd", (None, r"zstd\.(.+)$"), "BSD-3-Clause", "facebook"),
}
# These declare what the system has, or tell cargo that there shall be one of them, and hold no C.
NO_C = {"aws-lc-rs", "inotify-sys", "linux-raw-sys", "openssl-sys", "prettyplease", "rayon-core", "wasm-bindgen-shared"}
# What is in the program and is no crate: name, version, licence, kind of address.
OTHERS = [("nhsuk-frontend", "10.6.1", "MIT", "npm")]


def asked(*command: str) -> str:
    return subprocess.run(command, cwd=TOP, check=True, stdout=subprocess.PIPE, text=True).stdout


def linked() -> dict[str, dict]:
    """The packages that are linked into the program, by cargo's id."""
    kinds = ("--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}")
    tree = asked("cargo", "tree", "--locked", "--package", PROGRAM, *kinds)
    wanted = {(words[0], words[1].removeprefix("v")) for words in (line.split() for line in tree.splitlines()) if words}
    metadata = json.loads(asked("cargo", "metadata", "--locked", "--format-version", "1"))
    found = {
        package["id"]: package for package in metadata["packages"] if (package["name"], package["version"]) in wanted
    }
    assert len(found) == len(wanted), "cargo tells the same packages twice"
    edges = {node["id"]: [one["pkg"] for one in node["deps"]] for node in metadata["resolve"]["nodes"]}
    for ident, package in found.items():
        package["needs"] = [one for one in edges[ident] if one in found]
    return found


def folder(package: dict) -> Path:
    return Path(package["manifest_path"]).parent


def licence_texts(place: Path) -> list[str]:
    """The licences that stand in a folder, without what only line ends and margins make different."""
    files = sorted(path for path in place.iterdir() if path.is_file() and LICENCE_FILES.match(path.name))
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in files if path.suffix not in {".rs", ".toml"})
    return ["\n".join(line.rstrip() for line in text.strip().splitlines()) for text in texts]


def bundled(package: dict) -> tuple[Component, list[str]] | None:
    """The C that a crate brings along, if it does, and its licences."""
    if package["name"] not in BUNDLED:
        if package.get("links") and package["name"] not in NO_C:
            sys.exit(f"{package['name']} may bring C along; say in packaging/bill.py what, or that it does not")
        return None
    name, below, (where, pattern), licence, maker = BUNDLED[package["name"]]
    place = folder(package) / below
    text = (place / where).read_text(encoding="utf-8") if where else package["version"]
    match = re.search(pattern, text)
    if match is None:
        sys.exit(f"{package['name']} no longer says the version of {name} where packaging/bill.py looks for it")
    version = match.group(1)
    component = Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=version,
        bom_ref=f"bundled:{name}@{version}",
        purl=PackageURL("generic", name=name, version=version),
        cpe=f"cpe:2.3:a:{maker}:{name}:{version}:*:*:*:*:*:*:*",
        licenses=[LicenseFactory().make_from_string(licence)],
        properties=[Property(name="bundled-by", value=f"{package['name']} {package['version']}")],
    )
    return component, licence_texts(place)


def crate(package: dict, checksums: dict[tuple[str, str], str]) -> Component:
    name, version = package["name"], package["version"]
    checksum = checksums.get((name, version))
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=checksum)] if checksum else []
    kind = ComponentType.APPLICATION if name == PROGRAM else ComponentType.LIBRARY
    licence = package["license"].replace("/", " OR ")
    return Component(
        type=kind,
        name=name,
        version=version,
        bom_ref=f"crate:{name}@{version}",
        # What is of this house is in no registry.
        purl=PackageURL("cargo", name=name, version=version) if checksum else None,
        hashes=hashes,
        licenses=[LicenseFactory().make_from_string(licence)],
    )


def bill(packages: dict[str, dict]) -> tuple[Bom, dict[str, tuple[str, list[str]]]]:
    """The bill, and for each thing of others in it its licence and the texts that it brings along."""
    lock = (TOP / "Cargo.lock").read_bytes()
    listed = tomllib.loads(lock.decode())["package"]
    checksums = {(one["name"], one["version"]): one["checksum"] for one in listed if "checksum" in one}
    built = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), timezone.utc)
    bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_OID, hashlib.sha256(lock).hexdigest()))
    components, licences = {}, {}
    parts: dict[str, list[Component]] = {}
    for ident, package in sorted(packages.items(), key=lambda one: (one[1]["name"], one[1]["version"])):
        components[ident] = component = crate(package, checksums)
        parts[ident] = []
        if package["source"] is not None:
            called = f"{package['name']} {package['version']}"
            licences[called] = package["license"], licence_texts(folder(package))
            if inside := bundled(package):
                parts[ident].append(inside[0])
                called = f"{inside[0].name} {inside[0].version} (in {called})"
                licences[called] = BUNDLED[package["name"]][3], inside[1]
        if package["name"] == PROGRAM:
            bom.metadata = BomMetaData(timestamp=built, component=component)
            others = [("rust-std", asked("rustc", "--version").split()[1], "MIT OR Apache-2.0", "generic"), *OTHERS]
            for name, version, licence, kind in others:
                one = Component(
                    type=ComponentType.LIBRARY,
                    name=name,
                    version=version,
                    bom_ref=f"other:{name}@{version}",
                    purl=PackageURL(kind, name=name, version=version),
                    licenses=[LicenseFactory().make_from_string(licence)],
                )
                parts[ident].append(one)
                licences[f"{name} {version}"] = licence, []
        else:
            bom.components.add(component)
        bom.components.update(parts[ident])
    for ident, package in packages.items():
        bom.register_dependency(components[ident], [*(components[one] for one in package["needs"]), *parts[ident]])
    return bom, licences


def as_text(licences: dict[str, tuple[str, list[str]]]) -> str:
    """One page: who, under what, and each text once."""
    lines = [f"What is in {PROGRAM} and was made by others, with its licence.", ""]
    lines += [f"{called}: {licence}" for called, (licence, _) in licences.items()]
    texts: dict[str, list[str]] = {}
    for called, (_, found) in licences.items():
        for text in found:
            texts.setdefault(text, []).append(called)
    for text, whose in sorted(texts.items(), key=lambda one: one[1]):
        lines += ["", "=" * 80, f"Of {', '.join(whose)}:", "", text]
    silent = [called for called, (_, found) in licences.items() if not found]
    lines += ["", "=" * 80, f"These bring no text along; those of their licences stand above: {', '.join(silent)}."]
    return "\n".join(lines) + "\n"


def main() -> None:
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    bom, licences = bill(linked())
    text = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)
    if fault := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        sys.exit(f"the bill of materials is not CycloneDX: {fault}")
    (target / "mesh-relay.cdx.json").write_text(text + "\n", encoding="utf-8")
    (target / "third-party-licences.txt").write_text(as_text(licences), encoding="utf-8")
    print(f"{len(bom.components)} components", file=sys.stderr)


main()
