"""containerd's files: where it finds the site's registry, under its name and the original ones.

containerd reads `hosts.toml` anew at each pull. What is peculiar about it: without a table `[host]`
older versions take the whole file for broken; where `server` is left out, the internet's registry
is the last one that is asked; `override_path` means that `/v2` stands in the URL already, which a
path before the images' names needs; and a TLS setting beside `http://` makes it try TLS first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from core.bundle.reference import DEFAULT_DOMAIN
from core.cluster.names import Use
from core.config import Config, Mode

CERTS = "containerd/certs.d"
CONFIG_PATH = "/etc/containerd/certs.d"
CA_NAME = "ca.crt"


def containerd_files(config: Config, uses: Sequence[Use], ca: str, pause: str) -> Mapping[str, str]:
    """Return containerd's files by their path.

    Args:
        config: The site.
        uses: Its names.
        ca: The text of the registry's CA; empty where there is none.
        pause: The name of the image that holds a pod's namespaces; empty where none is known.
    """
    pulls = config.mode is not Mode.NONE
    files = {
        f"containerd/config-{version}.toml": text
        for version, text in _settings(pause, pulls=pulls).items()
        if pause or pulls
    }
    if not pulls:
        return files
    registry, _, prefix = config.name_prefix.partition("/")
    texts = {
        domain: _mirror(config, domain, [use for use in uses if use.reference.domain == domain])
        for domain in sorted({use.reference.domain for use in uses})
    }
    texts[registry] = _own(config, registry, f"{prefix}/" if prefix else "")
    for domain, text in texts.items():
        directory = f"{CERTS}/{host_directory(domain)}"
        files[f"{directory}/hosts.toml"] = text
        if ca:
            files[f"{directory}/{CA_NAME}"] = ca
    return files


def host_directory(registry: str) -> str:
    """Return the directory in which containerd looks first: FAT takes no colon, nor need it.

    Args:
        registry: `host[:port]`.
    """
    host, colon, port = registry.rpartition(":")
    return f"{host}_{port}_" if colon and host and port.isdecimal() else registry


def _own(config: Config, registry: str, prefix: str) -> str:
    comments = [f"The registry of this site: images named {registry}/{prefix}..."]
    return _hosts_toml(comments, {_scheme(config) + registry: False}, config)


def _mirror(config: Config, domain: str, uses: Sequence[Use]) -> str:
    comments = [
        f"Images named {domain}/... come from the registry of this site, and from nowhere",
        "else: `server` is that registry too, so containerd never asks the internet.",
    ]
    short = [
        u
        for u in uses
        if domain == DEFAULT_DOMAIN
        and not u.reference.kept
        and u.reference.path != u.reference.site_repository
    ]
    if short:
        comments += [
            "Not these, because containerd asks for them as library/NAME, which the registry",
            "does not have. Write in manifests instead:",
            *(f"  {use.reference.familiar}  ->  {use.name}" for use in short),
        ]
    registry, _, prefix = config.name_prefix.partition("/")
    # Bundles may have come before names were to keep their source registry.
    sources = sorted({use.reference.source_registry for use in uses}, reverse=True)
    paths = ["/".join(filter(None, (prefix, source))) for source in sources]
    urls = [_scheme(config) + registry + (f"/v2/{path}" if path else "") for path in paths]
    return _hosts_toml(comments, dict(zip(urls, map(bool, paths), strict=True)), config)


def _scheme(config: Config) -> str:
    plain = config.mode is Mode.DU or config.registry_insecure
    return "http://" if plain else "https://"


def _hosts_toml(comments: Sequence[str], urls: Mapping[str, bool], config: Config) -> str:
    """Return the text of a `hosts.toml`.

    Args:
        comments: Its first lines.
        urls: Where containerd asks, one after the other, each with whether `/v2` stands in it.
        config: The site.
    """

    def settings(url: str) -> list[str]:
        lines = ['capabilities = ["pull", "resolve"]']
        if config.mode is Mode.CUSTOM and config.registry_ca and url.startswith("https://"):
            lines.append(f'ca = "{CA_NAME}"')
        return [*lines, *(["override_path = true"] if urls[url] else [])]

    last = [*urls][-1]
    lines = [*(f"# {comment}" for comment in comments)]
    lines += [f"server = {json.dumps(last)}", *settings(last)]
    for url in urls:
        lines += ["", f"[host.{json.dumps(url)}]", *(f"  {each}" for each in settings(url))]
    return "\n".join(lines) + "\n"


def _settings(pause: str, *, pulls: bool) -> Mapping[str, str]:
    """Return the parts of containerd's own config, by the generations that write it differently."""
    where = f"config_path = {json.dumps(CONFIG_PATH)}"
    old, new = '"io.containerd.grpc.v1.cri"', '"io.containerd.cri.v1.images"'
    parts: dict[str, list[str]] = {
        "1.x": [
            "# containerd 1.x: put these settings into /etc/containerd/config.toml.",
            "version = 2",
        ],
        "2.x": [
            "# containerd 2.x: put these settings into /etc/containerd/config.toml.",
            "version = 3",
        ],
    }
    if pause:
        parts["1.x"] += ["", f"[plugins.{old}]", f"  sandbox_image = {json.dumps(pause)}"]
        parts["2.x"] += ["", f"[plugins.{new}.pinned_images]", f"  sandbox = {json.dumps(pause)}"]
    if pulls:
        parts["1.x"] += ["", f"[plugins.{old}.registry]", f"  {where}"]
        parts["2.x"] += ["", f"[plugins.{new}.registry]", f"  {where}"]
    return {version: "\n".join(lines) + "\n" for version, lines in parts.items()}
