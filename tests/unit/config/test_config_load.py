"""The config as a technician writes it: every key, every mistake, each with its line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.config import (
    Config,
    HostConfig,
    Mode,
    SshConfig,
    Warm,
    ensure_state_dir,
    find_config,
    load_config,
    missing_files,
    new_config_path,
    parse_config,
)
from core.config import load as load_module
from core.errors import ConfigError

PATH = Path("/site/airctl-config.yaml")
EVERYTHING = """\
# a site
duFqdn: du.example.com
privateRegistryType: Custom
privateRegistryBase: registry.example.com:5000/base/
privateRegistryCA: ca.pem
privateRegistryInsecure: yes
privateRegistryUser: tech
privateRegistryHostLogin: true
dockerRepo: /repo/docker.tar.gz
imagesDir: imgs
registryDir: /data/registry
registryPort: 5200
hostRegistryPort: 5002
stateDir: ~/state
ssh:
  user: admin
  port: 2222
  key: keys/id
  knownHosts: known_hosts
  concurrency: 32
  connectTimeout: 5
hosts:
  - 10.0.0.1
  - name: worker-2
    address: 10.0.0.2
    port: 22
    user: root
    key: /keys/other
  - address: 10.0.0.3
"""


def good(text: str) -> Config:
    config, problems = parse_config(text, PATH)
    assert [] == [str(problem) for problem in problems]
    return config


def problems_of(text: str) -> list[str]:
    return [str(problem) for problem in parse_config(text, PATH)[1]]


def test_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/tech")
    key = Path("/site/keys/id")
    assert Config(
        path=PATH,
        mode=Mode.CUSTOM,
        registry_base="registry.example.com:5000/base",
        docker_repo=(Path("/repo/docker.tar.gz"),),
        images_dir=Path("/site/imgs"),
        hosts=(
            HostConfig("10.0.0.1", "10.0.0.1", 2222, "admin", key),
            HostConfig("worker-2", "10.0.0.2", 22, "root", Path("/keys/other")),
            HostConfig("10.0.0.3", "10.0.0.3", 2222, "admin", key),
        ),
        ssh=SshConfig("admin", 2222, key, Path("/site/known_hosts"), 32, 5),
        registry_dir=Path("/data/registry"),
        registry_port=5200,
        host_registry_port=5002,
        registry_ca=Path("/site/ca.pem"),
        registry_insecure=True,
        registry_user="tech",
        registry_host_login=True,
        state_dir=Path("/home/tech/state"),
    ) == good(EVERYTHING)


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "~\n", "{}\n", "\ufeff"])
def test_defaults(text: str) -> None:
    config = good(text)
    nothing_said = SshConfig(said=())
    assert Config(PATH, ssh=nothing_said) == config
    assert (Mode.NONE, Path("/opt/pf9/airctl/imgs"), 5100, 5001, (), nothing_said) == (
        config.mode,
        config.images_dir,
        config.registry_port,
        config.host_registry_port,
        config.hosts,
        config.ssh,
    )


@pytest.mark.parametrize(
    ("word", "mode"),
    [
        ("du", Mode.DU),
        ("DU", Mode.DU),
        ("Du", Mode.DU),
        ("'dU'", Mode.DU),
        (" du ", Mode.DU),
        ("none", Mode.NONE),
        ("None", Mode.NONE),
        ("NONE", Mode.NONE),
        ("null", Mode.NONE),
        ("~", Mode.NONE),
        ("", Mode.NONE),
        ("''", Mode.NONE),
        ("custom\nprivateRegistryBase: a.b", Mode.CUSTOM),
        ("CUSTOM\nprivateRegistryBase: a.b", Mode.CUSTOM),
    ],
)
def test_modes_in_any_letter_case(word: str, mode: Mode) -> None:
    assert mode is good(f"privateRegistryType: {word}\n").mode


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("hostRegistryPort: 5002", "localhost:5002"),
        ("privateRegistryType: du", "localhost:5001"),
        ("privateRegistryType: custom\nprivateRegistryBase: a.b:5/c/", "a.b:5/c"),
        ("privateRegistryType: custom\nprivateRegistryBase: '[::1]:5/c'", "[::1]:5/c"),
        ("privateRegistryType: custom\nprivateRegistryBase: A.b/c", "A.b/c"),
    ],
)
def test_what_stands_before_names(text: str, prefix: str) -> None:
    assert prefix == good(text).name_prefix


@pytest.mark.parametrize(
    ("word", "value"),
    [("true", True), ("Yes", True), ("ON", True), ("false", False), ("no", False), ("", False)],
)
def test_flags(word: str, value: bool) -> None:
    assert value is good(f"privateRegistryInsecure: {word}\n").registry_insecure


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "privateRegistryType: both",
            "1: privateRegistryType: is 'both' (allowed: du, none, custom)",
        ),
        (
            "privateRegistryType: [du]",
            "1: privateRegistryType: is a list or a mapping (allowed: du, none, custom)",
        ),
        (
            "\nprivateRegistryType: custom",
            "2: privateRegistryBase: is needed in mode custom (allowed: host[:port][/path])",
        ),
        (
            "privateRegistryBase: https://a.b",
            "1: privateRegistryBase: has a scheme (allowed: host[:port][/path], no http://)",
        ),
        (
            "privateRegistryBase: me:hunter2@a.b",
            "1: privateRegistryBase: has a login in it: take it out, and change the password if "
            "there is one (allowed: host[:port][/path]; the login is typed, in the environment, or "
            "docker login's)",
        ),
        *(
            (
                f"privateRegistryBase: '{base}'",
                f"1: privateRegistryBase: {words} (allowed: host[:port][/path])",
            )
            for base, words in (
                ("a.b//c", "is no address"),
                ("a b/c", "is no address"),
                ("/c", "is no address"),
                ("a.b/c?d", "is no address"),
                ("A.b:443/Site", "has capital letters in its path, which Docker does not take"),
                ("a.b:99999/c", "has no port from 1 to 65535"),
            )
        ),
        (
            "registryPort: 0",
            "1: registryPort: is '0' (allowed: a whole number from 1 to 65535)",
        ),
        (
            "registryPort: 65536",
            "1: registryPort: is '65536' (allowed: a whole number from 1 to 65535)",
        ),
        (
            "hostRegistryPort: 5e3",
            "1: hostRegistryPort: is '5e3' (allowed: a whole number from 1 to 65535)",
        ),
        (
            "registryPort: -1",
            "1: registryPort: is '-1' (allowed: a whole number from 1 to 65535)",
        ),
        (
            "registryPort: ٣",
            "1: registryPort: is '٣' (allowed: a whole number from 1 to 65535)",
        ),
        (
            "registryPort: ''",
            "1: registryPort: is '' (allowed: a whole number from 1 to 65535)",
        ),
        (
            "ssh:\n  concurrency: 513",
            "2: ssh.concurrency: is '513' (allowed: a whole number from 1 to 512)",
        ),
        (
            "ssh:\n  connectTimeout: 601",
            "2: ssh.connectTimeout: is '601' (allowed: a whole number from 1 to 600)",
        ),
        (
            "privateRegistryInsecure: maybe",
            "1: privateRegistryInsecure: is 'maybe' (allowed: true or false)",
        ),
        (
            "mode: x\nprivateRegistryPassword: hunter2",
            "2: privateRegistryPassword: a password never stands in the config: take it out, and "
            "change it (allowed: docker login, AIRFERRY_REGISTRY_PASSWORD, or typed "
            "(--ask-registry-password))",
        ),
        ("imagesDir: [a]", "1: imagesDir: is a list or a mapping (allowed: a path)"),
        (
            "imagesDir: ~nobody-of-this-name/x",
            "1: imagesDir: names a home directory that is not known: ~nobody-of-this-name/x "
            "(allowed: a path)",
        ),
        ("ssh: root", "1: ssh: is not a mapping (allowed: key: value lines, indented)"),
        ("ssh: [a]", "1: ssh: is not a mapping (allowed: key: value lines, indented)"),
        (
            "ssh:\n  usr: a",
            "2: ssh.usr: is not known here "
            "(allowed: user, key, port, jump, concurrency, connectTimeout, "
            "config, knownHosts, hostKeys)",
        ),
        ("hosts: 10.0.0.1", "1: hosts: is not a list (allowed: a list, one '- item' a line)"),
        ("hosts: {a: b}", "1: hosts: is not a list (allowed: a list, one '- item' a line)"),
        (
            "hosts:\n- ~",
            "2: hosts[0]: is not a host "
            "(allowed: an address, or a mapping with name, address, port, user, key)",
        ),
        (
            "hosts:\n- a\n- [b]",
            "3: hosts[1]: is not a host "
            "(allowed: an address, or a mapping with name, address, port, user, key)",
        ),
        (
            "hosts:\n- name: a",
            "2: hosts[0].address: is missing (allowed: an IP address or a host name)",
        ),
        (
            "hosts:\n- address: a\n  prt: 1",
            "3: hosts[0].prt: is not known here (allowed: name, address, port, user, key, jump)",
        ),
        (
            "hosts:\n- a\n- address: a",
            "3: hosts[1]: has the name of hosts[0]: a (allowed: a name of its own)",
        ),
        (
            "hosts:\n- du",
            "2: hosts[0]: is named 'du', which means this machine (allowed: a name)",
        ),
        (
            "imagesDir: a\n\nimagesDir: b",
            "3: imagesDir: stands twice (first on line 1) (allowed: each key once)",
        ),
        (
            "ssh:\n  user: a\n  user: b",
            "3: ssh.user: stands twice (first on line 2) (allowed: each key once)",
        ),
        (
            "warm: push",
            "1: warm: is 'push' (allowed: pull, load)",
        ),
        (
            "release: five",
            "1: release: is 'five' (allowed: a release such as 5.6 or 5.6.0)",
        ),
        (
            "ssh:\n  jump: a b",
            "2: ssh.jump: is 'a b' (allowed: [user@]host[:port])",
        ),
        (
            "ssh:\n  hostKeys: [MD5:aa]",
            "2: ssh.hostKeys: has 'MD5:aa' (allowed: SHA256: and 43 characters)",
        ),
        (
            "ssh:\n  hostKeys: [[a]]",
            "2: ssh.hostKeys: has an item that is no text (allowed: text, or a list of texts)",
        ),
        (
            "dockerRepo: {a: b}",
            "1: dockerRepo: is a list or a mapping (allowed: text, or a list of texts)",
        ),
        ("- a", "1: not a mapping (allowed: key: value lines)"),
        ("text", "1: not a mapping (allowed: key: value lines)"),
        ("ssh:\n\tuser: a", "2: a tab in the indentation (allowed: spaces)"),
        ("a: [", "1: not YAML: expected the node content, but found '<stream end>'"),
        ("a: b: c", "1: not YAML: mapping values are not allowed here (allowed: key: value lines)"),
        ("a: 1\n--- \nb: 2", "2: not YAML: but found another document"),
        ("a: *nothing", "1: not YAML: found undefined alias 'nothing'"),
        ("a: 'open", "1: not YAML: found unexpected end of stream"),
    ],
)
def test_problems_are_named_with_line_key_and_what_is_allowed(text: str, problem: str) -> None:
    (found,) = problems_of(text)
    assert problem == found[: len(problem)]


def test_unprintable_characters_are_named_with_their_line() -> None:
    (found,) = problems_of("a: 1\nb: 2\nc: \x01\n")
    assert found.startswith("3: not YAML: ")


def test_all_problems_at_once_in_the_order_of_lines() -> None:
    text = (
        "registryPort: x\n"
        "privateRegistryType: y\n"
        "hosts:\n"
        "- address: a\n"
        "  port: 99999\n"
        "- name: b\n"
        "ssh: {user: a, port: z}\n"
        "registryPort: 3\n"
    )
    assert [
        "1: registryPort: is 'x'",
        "2: privateRegistryType: is 'y'",
        "5: hosts[0].port: is '99999'",
        "6: hosts[1].address: is missing",
        "7: ssh.port: is 'z'",
        "8: registryPort: stands twice",
    ] == [problem.partition(" (")[0] for problem in problems_of(text)]


def test_every_tab_is_named() -> None:
    assert ["2", "4"] == [p.partition(":")[0] for p in problems_of("a:\n\tb: 1\nc:\n \td: 2\n")]


def test_tabs_elsewhere_are_no_harm() -> None:
    assert Path("/a") == good("imagesDir: /a\nduFqdn: 'a\tb'\n").images_dir


def test_unknown_keys_are_left_alone() -> None:
    assert Mode.DU is good("duFqdn: a\nmine: {x: [1]}\nprivateRegistryType: du\n").mode


@pytest.mark.parametrize("text", ["[" * 2000, "{a: " * 2000, "a: " + "[" * 1500])
def test_deep_nesting_is_an_error_not_a_crash(text: str) -> None:
    (found,) = problems_of(text)
    assert found.startswith("1: ")


def test_thousands_of_digits_are_an_error_not_a_crash() -> None:
    (found,) = problems_of("registryPort: " + "1" * 5000)
    assert found.startswith("1: registryPort: is '111")
    assert len(found) < 200


def test_anchors_and_aliases() -> None:
    text = "ssh:\n  user: &u tech\n  key: &k /k\nhosts:\n- &h {address: a, user: *u}\n- b\n"
    assert [("a", "tech", Path("/k")), ("b", "tech", Path("/k"))] == [
        (host.name, host.user, host.key) for host in good(text).hosts
    ]


@pytest.mark.parametrize("text", ["hosts: &h [*h]", "ssh: &s {user: *s}", "a: &a [*a]\nhosts: []"])
def test_circles_of_aliases_end(text: str) -> None:
    assert len(problems_of(text)) <= 1


def test_a_host_may_be_a_number() -> None:
    assert ["10", "1.5"] == [host.name for host in good("hosts: [10, 1.5]").hosts]


def test_windows_line_ends() -> None:
    assert good(EVERYTHING) == good(EVERYTHING.replace("\n", "\r\n"))


def test_the_lines_of_keys() -> None:
    lines = good(EVERYTHING).lines
    assert (3, 16, 23, 27) == tuple(
        lines[key] for key in ("privateRegistryType", "ssh.user", "hosts[0]", "hosts[1].user")
    )


def test_load_names_the_file_before_each_problem(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("registryPort: x\nhosts: a\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert [f"{path}:1: registryPort", f"{path}:2: hosts"] == [
        line.partition(": is")[0] for line in caught.value.what.splitlines()
    ]
    assert 2 == caught.value.exit_code


def test_load_refuses_what_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes("a: 1\nb: ä\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=f"{path}:2: not UTF-8 text"):
        load_config(path)


def test_load_refuses_what_is_not_there_or_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "c.yaml")
    with pytest.raises(ConfigError, match="Is a directory"):
        load_config(tmp_path)


def test_find_takes_the_named_one_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named, home, vendor = (tmp_path / name for name in ("n.yaml", "h.yaml", "v.yaml"))
    monkeypatch.setattr(load_module, "SEARCH_PATH", (home, vendor))
    with pytest.raises(ConfigError, match=f"neither {home} or {vendor}"):
        find_config(None)
    vendor.touch()
    assert vendor == find_config(None)
    home.touch()
    assert home == find_config(None)
    with pytest.raises(ConfigError, match="no such file"):
        find_config(str(named))
    named.touch()
    assert named == find_config(str(named))


def test_new_config_goes_where_airctl_keeps_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, vendor = tmp_path / "h.yaml", tmp_path / "conf" / "v.yaml"
    monkeypatch.setattr(load_module, "SEARCH_PATH", (home, vendor))
    assert home == new_config_path()
    vendor.parent.mkdir()
    assert vendor == new_config_path()


def test_find_makes_paths_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "c.yaml").touch()
    assert [tmp_path / "c.yaml"] * 2 == [find_config("c.yaml"), find_config("~/c.yaml")]


def test_find_with_a_home_that_is_not_known() -> None:
    with pytest.raises(ConfigError, match=r"~nobody-of-this-name/c\.yaml: no such file"):
        find_config("~nobody-of-this-name/c.yaml")


def test_missing_files_are_named_with_line_and_key(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    text = (
        "imagesDir: there\n"
        "dockerRepo: gone\n"
        "ssh:\n"
        "  key: gone-too\n"
        "hosts:\n"
        "- a\n"
        "- address: b\n"
        "  key: gone-as-well\n"
        "- address: c\n"
        "  key: there\n"
    )
    config, _ = parse_config(text, tmp_path / "c.yaml")
    assert [
        f"2: dockerRepo: no such file: {tmp_path}/gone (allowed: an existing path)",
        f"4: ssh.key: no such file: {tmp_path}/gone-too (allowed: an existing path)",
        f"8: hosts[1].key: no such file: {tmp_path}/gone-as-well (allowed: an existing path)",
    ] == [str(problem) for problem in missing_files(config)]


def test_how_hosts_are_warmed_and_reached() -> None:
    fingerprint = "SHA256:" + "a" * 43
    config = good(
        "warm: LOAD\nverifyRun: yes\nrelease: 5.6.0\n"
        "dockerRepo:\n- a.tar\n- /b\n"
        f"ssh:\n  jump: tech@[fe80::1]:2222\n  config: c\n  hostKeys: ['{fingerprint}']\n"
        "hosts:\n- a\n- address: b\n  jump: bastion\n- address: c\n  jump: none\n"
    )
    assert (Warm.LOAD, True, "5.6.0") == (config.warm, config.verify_run, config.release)
    assert (Path("/site/a.tar"), Path("/b")) == config.docker_repo
    assert ["tech@[fe80::1]:2222", "bastion", ""] == [host.jump for host in config.hosts]
    assert (Path("/site/c"), (fingerprint,)) == (config.ssh.config_file, config.ssh.host_keys)


def test_the_state_directory_is_private(tmp_path: Path) -> None:
    made = ensure_state_dir(Config(PATH, state_dir=tmp_path / "a" / "state"))
    assert 0o700 == made.stat().st_mode & 0o777


def test_the_state_directory_of_a_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert tmp_path / "airferry" == good("").state_dir
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/tech")
    assert Path("/home/tech/.local/state/airferry") == good("").state_dir
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert Path("/var/lib/airferry") == good("").state_dir
