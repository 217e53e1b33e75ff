"""Every failure that Airferry can name, each with a stable code and a remedy in plain words.

    AirferryError
    +-- ConfigError            the config file is missing or wrong            (exit code 2)
    +-- UsageError             the command line asks for what cannot be       (exit code 2)
    +-- BusyError              another run is at work                         (exit code 2)
    +-- BundleError            a bundle cannot be read or is not whole
    |   +-- BundleTruncated, BundleCorrupt, NotABundle, UnfitBundle, UnsafeBundle, NameCollision,
    |       BundleExists
    +-- RegistryError          the registry refused or lost something
    |   +-- RegistryUnreachable (can pass), RegistryStalled (can pass), RegistryBusy
    |       (can pass), RegistryFull, RegistryEngineMissing, RegistryPortTaken,
    |       RegistryLoginNeeded, RegistryLoginRefused, RegistryDenied, RegistryTokenExpired
    |       (can pass), RegistryProjectMissing, RegistryReadOnly, RegistryTlsWrong,
    |       RegistryDamaged, RegistryDirTaken, RegistryMoved, RegistryOnlyCopy,
    |       RegistryTagFixed, RegistryProxyForbids, RegistryElsewhere, RegistryUnsupported,
    |       RegistryOddAnswer
    |       +-- RegistryBusy: RegistryLimited (can pass); RegistryFull: RegistryQuota
    +-- HostError              something on or on the way to one host
    |   +-- HostUnreachable (can pass), HostLineLost (can pass), HostTimeout (can pass),
    |       HostKeyUnknown, HostKeyChanged, HostKeyRevoked, HostSpeaksNoSsh, HostSshUnfit,
    |       HostLoginRefused, HostCommandFailed, HostOddAnswer, HostDiskFull, HostUnfit,
    |       HostPortTaken, HostForwardingForbidden, HostTunnelExposed, HostSessionsForbidden,
    |       HostSudoRefused, HostShellRefused, SshConfigWrong, DockerFailed,
    |       TunnelDown (can pass), HostRegistryGone (can pass), HostRegistryTlsWrong
    |       +-- DockerFailed: DockerGone (can pass), DockerLineLost (can pass), PullFailed
    |           (can pass), PullDenied, ImageUnknown, DockerSettingsRefused, DockerNotStarted
    +-- PackagesError          the offline Docker bundle does not serve this host
    +-- StillMissing           a step was applied and its check still finds something missing
    +-- DuUnfit                this machine lacks something that the job needs
    +-- LocalFilesError        a file of the DU cannot be read or written
    |   +-- DuDiskFull         because no room is left
    +-- Cancelled              a person ended the run                         (exit code 130)
    +-- InternalError          a fault of Airferry's own

`transient` marks what can pass by itself: only that is ever tried again by the runner, for
`patience_s` seconds without getting any further.
"""

from __future__ import annotations

import errno
from typing import ClassVar

MADE_WRONG = "If another copy says the same, have the bundle made again."
"""The remedy where nobody can tell a bad copy from a bundle that was made so."""


class AirferryError(Exception):
    """Something that a technician has to know of.

    Args:
        what: What happened, with the place (host, image, file and line) in the sentence.
        remedy: What to do about it; the class's own remedy where none is given.
        details: More of it for the log, such as a command's whole output.

    Attributes:
        wait_s: For how long whoever refused asks to be left alone, in seconds.
    """

    wait_s: float = 0.0

    code: ClassVar[str] = "E-GENERAL"
    remedy_text: ClassVar[str] = "Look at the log of this run: airferry report --log"
    transient: ClassVar[bool] = False
    patience_s: ClassVar[float] = 60.0
    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, remedy: str = "", details: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.details = details
        self.remedy = remedy or self.remedy_text


class ConfigError(AirferryError):
    """The config is missing or wrong; `what` has a line for every problem."""

    code = "E-CONFIG"
    remedy_text = "Mend the lines named above, then run: airferry check"
    exit_code = 2


class UsageError(AirferryError):
    """The command line asks for something that cannot be done."""

    code = "E-USAGE"
    remedy_text = "See: airferry --help"
    exit_code = 2


class BusyError(AirferryError):
    """Another engine holds the lock of this state directory."""

    code = "E-BUSY"
    remedy_text = "Watch it: airferry watch. Or end it there with c (TUI) or Ctrl+C."
    exit_code = 2


class BundleError(AirferryError):
    """A bundle cannot be used."""

    code = "E-BUNDLE"
    remedy_text = "Copy the bundle from its source again and compare its size and checksum."


class BundleTruncated(BundleError):
    """The file ends before the archive does."""

    code = "E-BUNDLE-CUT"
    remedy_text = "The copy is not whole. Copy the bundle again and compare the file's size."


class BundleCorrupt(BundleError):
    """Content does not have the digest that the bundle itself claims."""

    code = "E-BUNDLE-CORRUPT"


class NotABundle(BundleError):
    """The file is no archive of images."""

    code = "E-BUNDLE-NONE"
    remedy_text = "Take the file out of imagesDir, or name the right bundle."


class UnfitBundle(BundleError):
    """The bundle is as it was made, but nothing that a site's registry and hosts can take."""

    code = "E-BUNDLE-UNFIT"
    remedy_text = (
        "Another copy will be the same: have the bundle made again, by docker save or skopeo copy."
    )


class UnsafeBundle(BundleError):
    """The archive has members that no tool writes: refused rather than guessed at."""

    code = "E-BUNDLE-UNSAFE"
    remedy_text = "Do not use this file. Get the bundle from its maker again."


class NameCollision(BundleError):
    """Two different images would get the same name in the registry."""

    code = "E-BUNDLE-NAMES"
    remedy_text = (
        "Move one of the two bundles out of imagesDir, or set laterBundleWins: true in the config "
        "(--later-wins) to take the image of the one whose file name comes later."
    )


class BundleExists(BundleError):
    """A bundle cannot be taken into imagesDir, because another file has its name there."""

    code = "E-BUNDLE-EXISTS"
    remedy_text = (
        "One of the two is another release, or an earlier copy that is not whole. Delete or rename "
        "the one in imagesDir, then take the bundle again."
    )


class RegistryError(AirferryError):
    """The registry gave an answer that it should not.

    Attributes:
        status: The status of its answer; 0 where there was none.
    """

    status: int = 0

    code = "E-REG"
    remedy_text = "Look at the registry's log, then run the same command again."


class RegistryUnreachable(RegistryError):
    """Nothing answers at the registry's address."""

    code = "E-REG-GONE"
    remedy_text = (
        "Start it (airferry registry start), or see why it stopped (airferry registry status), "
        "then run the same command again: what is there is not sent twice."
    )
    transient = True


class RegistryStalled(RegistryError):
    """The registry accepted no byte for the time allowed."""

    code = "E-REG-STALL"
    remedy_text = "Is the registry's disk full or very slow? Then run the same command again."
    transient = True


class RegistryBusy(RegistryError):
    """The registry says that it cannot take this now (5xx), or lost what it took."""

    code = "E-REG-BUSY"
    remedy_text = "Wait a little and run the same command again; if it stays, see its log."
    transient = True


class RegistryLimited(RegistryBusy):
    """The registry allows no more requests for now, though they were sent more slowly (429)."""

    code = "E-REG-LIMIT"
    remedy_text = (
        "Run the same command again later: what is there is not sent twice. Or have whoever keeps "
        "the registry (or a proxy before it) allow this machine more requests."
    )


class RegistryFull(RegistryError):
    """No room is left where the registry stores blobs."""

    code = "E-REG-FULL"
    remedy_text = "Make room in registryDir, then run the same command again."


class RegistryQuota(RegistryFull):
    """The registry has room, but the project that images go to may use no more of it."""

    code = "E-REG-QUOTA"
    remedy_text = (
        "Have whoever keeps the registry raise the quota of the project, or delete there what is "
        "not needed (and have it collect garbage); then run the same command again."
    )


class RegistryLoginNeeded(RegistryError):
    """The site's registry asks for a login, and none is known here."""

    code = "E-REG-LOGIN"
    remedy_text = (
        "Type it (w on the screens, or --ask-registry-password), set AIRFERRY_REGISTRY_USER and "
        "AIRFERRY_REGISTRY_PASSWORD, or log in with: docker login"
    )


class RegistryLoginRefused(RegistryError):
    """The site's registry does not take this name with this password; it is not sent again."""

    code = "E-REG-LOGIN-WRONG"
    remedy_text = (
        "Type name and password anew (w on the screens, or --ask-registry-password), or mend them "
        "where they come from. A wrong password is sent once only, for accounts get locked."
    )


class RegistryDenied(RegistryError):
    """The login is right, but it may not do this."""

    code = "E-REG-DENIED"
    remedy_text = (
        "Have whoever keeps the registry give this user the right to pull and to push under the "
        "path of privateRegistryBase, or log in as another user."
    )


class RegistryTokenExpired(RegistryError):
    """A login's token ran out while it was being used; the next one will do."""

    code = "E-REG-TOKEN"
    remedy_text = "Run the same command again: what is there is not sent twice."
    transient = True


class RegistryProjectMissing(RegistryError):
    """The registry wants a project (namespace, repository) made before anything goes into it."""

    code = "E-REG-PROJECT"
    remedy_text = (
        "Have the project made in the registry, or name one that is there: privateRegistryBase."
    )


class RegistryReadOnly(RegistryError):
    """The registry takes nothing at all at present."""

    code = "E-REG-READONLY"
    remedy_text = (
        "Have whoever keeps the registry end its maintenance or read-only mode, then run the same "
        "command again."
    )


class RegistryTagFixed(RegistryError):
    """A tag of the registry stands for another image, and may not be moved to this one."""

    code = "E-REG-TAG"
    remedy_text = (
        "Have whoever keeps the registry lift the rule (immutable tags) for this tag or delete it "
        "there, or import the images under another path: privateRegistryBase."
    )


class RegistryProxyForbids(RegistryError):
    """Something between this machine and the registry does not let a request through."""

    code = "E-REG-PROXY"
    remedy_text = (
        "Have the proxy before the registry let requests to /v2/ through as they are, or name the "
        "registry's own address in privateRegistryBase; then run the same command again."
    )


class RegistryElsewhere(RegistryError):
    """The registry sends uploads to an address at which it is not reached from here."""

    code = "E-REG-PLACE"
    remedy_text = (
        "Have the registry told by which address it is reached: http.host or http.relativeurls: "
        "true in CNCF distribution, external_url in Harbor; a proxy before it must pass on Host "
        "and X-Forwarded-Proto. Or name that address in privateRegistryBase."
    )


class RegistryUnsupported(RegistryError):
    """The registry does not do what it is asked for at all."""

    code = "E-REG-UNSUPPORTED"
    remedy_text = (
        "This kind of registry, or its settings, lack it: have it allowed where the registry runs, "
        "or use another registry."
    )


class RegistryOddAnswer(RegistryError):
    """What answers does not answer as a registry does (OCI distribution specification)."""

    code = "E-REG-ANSWER"
    remedy_text = (
        "Is this the address of a registry (privateRegistryBase), and not of a web page, a login "
        "page or a proxy before it? Then look at the registry's log."
    )


class RegistryTlsWrong(RegistryError):
    """No safe line to the registry: its certificate is not right, or it speaks TLS or not."""

    code = "E-REG-TLS"
    remedy_text = "Mend what is named, in the config or in the registry's certificate."


class RegistryKindRefused(RegistryError):
    """The registry takes no manifests of this kind."""

    code = "E-REG-KIND"
    remedy_text = (
        "It takes OCI manifests only, and this cannot be written as one: allow Docker's manifests "
        "where the registry runs (zot: http.compat docker2s2), or leave it out."
    )


class RegistryDamaged(RegistryError):
    """What the registry has stored is not whole any more."""

    code = "E-REG-DAMAGED"
    remedy_text = "Mend it: airferry registry verify --repair"


class RegistryEngineMissing(RegistryError):
    """No registry program is installed on the DU."""

    code = "E-REG-ENGINE"
    remedy_text = "Install the package docker-registry (or put the program 'registry' in PATH)."


class RegistryPortTaken(RegistryError):
    """Something else listens on the registry's port."""

    code = "E-REG-PORT"
    remedy_text = "Stop what listens there, or choose another registryPort in the config."


class RegistryDirTaken(RegistryError):
    """The directory that the registry is to move to cannot take it."""

    code = "E-REG-DIR"
    remedy_text = "Choose another registryDir: an empty or a new one. Nothing was moved."


class RegistryMoved(RegistryError):
    """The config names another directory than the one that holds the registry's content."""

    code = "E-REG-MOVED"
    remedy_text = "Run: airferry reconfigure (it moves the content), or set registryDir back."


class RegistryOnlyCopy(RegistryError):
    """What is to be removed holds images that no bundle has."""

    code = "E-REG-ONLY-COPY"
    remedy_text = (
        "Set privateRegistryType back to du, run: airferry backup --outdir DIR, and put the backup "
        "into imagesDir; or reconfigure without removing the registry."
    )


class HostError(AirferryError):
    """Something about one host; its line may come back after minutes."""

    code = "E-HOST"
    patience_s = 420.0


class HostUnreachable(HostError):
    """No connection to the host's sshd."""

    code = "E-SSH-ROUTE"
    remedy_text = (
        "Check the host's address, cable and power, and that sshd runs there; "
        "then: airferry configure-hosts --only-failed"
    )
    transient = True


class HostLineLost(HostError):
    """A connection that stood was lost."""

    code = "E-SSH-LOST"
    remedy_text = "The line or the host went down. Run it again: what is done is not done twice."
    transient = True


class HostGoesDown(HostLineLost):
    """The host is shutting down: what failed there meanwhile says nothing about it."""

    code = "E-SSH-DOWN"
    remedy_text = "Somebody switches it off or restarts it. Run it again when it is up."


class HostTimeout(HostError):
    """A command on the host took longer than allowed."""

    code = "E-HOST-TIMEOUT"
    remedy_text = "Is the host overloaded or its disk hanging? Look there, then run it again."
    transient = True


class HostKeyUnknown(HostError):
    """The host's key has never been seen."""

    code = "E-SSH-KEY-NEW"
    remedy_text = (
        "Compare the fingerprint with the host's own (ssh-keygen -lf on its console), then accept "
        "it: k on the Hosts screen, or run with --accept-new-host-keys."
    )


class HostKeyChanged(HostError):
    """The host shows another key than the known one."""

    code = "E-SSH-KEY-CHANGED"
    remedy_text = (
        "Was the host installed anew? Then remove its old key (ssh-keygen -R ADDRESS, and from "
        "ssh.knownHosts). If not, find out who answers at this address first."
    )


class HostKeyRevoked(HostError):
    """The host shows a key that a known_hosts file says is to be believed no more."""

    code = "E-SSH-KEY-REVOKED"
    remedy_text = (
        "Do not log in there: whoever revoked this key holds it to be stolen. Have the host given "
        "a new key (ssh-keygen -A, sshd restarted) and its new key noted. If it was revoked by "
        "mistake, take that line out of the file."
    )


class HostSpeaksNoSsh(HostError):
    """Something answers on the host's SSH port, but not as an SSH server does."""

    code = "E-SSH-NONE"
    remedy_text = (
        "Is this the address and the port of the host's sshd? See on the host what listens there: "
        "ss -ltnp"
    )


class HostSshUnfit(HostError):
    """The host's sshd and Airferry have no algorithm in common."""

    code = "E-SSH-KEX"
    remedy_text = "Update the host's OpenSSH, or allow one of those algorithms in its sshd_config."


class HostLoginRefused(HostError):
    """sshd refused our key."""

    code = "E-SSH-LOGIN"
    remedy_text = (
        "Type the password (w on the screens, or --ask-pass). Or check ssh.user, ssh.key and the "
        "public key in the host's authorized_keys (and from= in its line), then run it again."
    )


class HostShellRefused(HostError):
    """The login is let in, and what it is told to run does not run."""

    code = "E-SSH-SHELL"
    remedy_text = (
        "Give this login a shell that runs commands (usermod -s /bin/sh USER on the host), or log "
        "in as another one: ssh.user. Then: airferry configure-hosts --only-failed"
    )


class HostSudoRefused(HostError):
    """The login is not root, and sudo does not make it root."""

    code = "E-SUDO"
    remedy_text = (
        "Type sudo's password (w on the screens, or --ask-sudo-pass), log in as root, or give "
        "the user NOPASSWD in the host's sudoers."
    )


class SshConfigWrong(HostError):
    """The OpenSSH config of this user cannot be followed."""

    code = "E-SSH-CONFIG"
    remedy_text = "Mend that file, or name another one in the site's config: ssh.config."


class HostCommandFailed(HostError):
    """A command on the host ended with an error."""

    code = "E-HOST-CMD"
    remedy_text = "The command's whole output is in the log: airferry report --log."


class HostOddAnswer(HostError):
    """A host's answer is not of the kind that was asked for, or has no end."""

    code = "E-HOST-ANSWER"
    remedy_text = (
        "See on the host what is named: was a program there replaced, or does something in the "
        "login's shell write into every answer?"
    )


class HostDiskFull(HostError):
    """No room is left on a file system of the host."""

    code = "E-HOST-FULL"
    remedy_text = (
        "Make room on the host (Docker stores images in /var/lib/docker), then: "
        "airferry configure-hosts --only-failed. What is there is not sent again."
    )


class HostUnfit(HostError):
    """The host lacks something that the job needs; nothing was changed on it."""

    code = "E-HOST-UNFIT"
    remedy_text = "Mend what is named, then: airferry configure-hosts --only-failed"


class HostPortTaken(HostError):
    """Something else listens on the host's registry port."""

    code = "E-HOST-PORT"
    remedy_text = (
        "Choose another hostRegistryPort in the config; airferry check says what has this one."
    )


class HostForwardingForbidden(HostError):
    """The host's sshd forbids the forwarding that the tunnel needs."""

    code = "E-SSH-FORWARD"
    remedy_text = "Set 'AllowTcpForwarding yes' in the host's sshd_config and reload sshd."


class HostTunnelExposed(HostError):
    """The host's sshd would open the tunnel to the network, and not to the host alone."""

    code = "E-SSH-GATEWAY"
    remedy_text = (
        "Set 'GatewayPorts no' (or clientspecified) in the host's sshd_config, for this login at "
        "least (Match User), and reload sshd."
    )


class HostSessionsForbidden(HostError):
    """The host's sshd lets nothing be run over a connection."""

    code = "E-SSH-SESSIONS"
    remedy_text = (
        "Set 'MaxSessions' in the host's sshd_config to 1 or more (10 is usual) and reload sshd."
    )


class TunnelDown(HostError):
    """The tunnel to the registry does not open in time."""

    code = "E-TUNNEL"
    remedy_text = "See: airferry tunnels status, airferry registry status; then run it again."
    transient = True
    patience_s = 120.0


class DockerFailed(HostError):
    """The host's Docker engine reported an error."""

    code = "E-DOCKER"
    remedy_text = "Look at 'journalctl -u docker' on the host, then run it again."


class DockerGone(DockerFailed):
    """The host's Docker engine does not answer; systemd starts one that died again."""

    code = "E-DOCKER-GONE"
    remedy_text = "Look at 'systemctl status docker' on the host, start it, then run it again."
    transient = True
    patience_s = 90.0


class DockerLineLost(DockerFailed):
    """The host's Docker lost its line to the registry, or the registry was away for a while."""

    code = "E-DOCKER-LINE"
    remedy_text = (
        "See: airferry tunnels status, airferry registry status (or the site's registry and any "
        "proxy before it). Then run it again: images that are there are not pulled twice."
    )
    transient = True


class DockerSettingsRefused(DockerFailed):
    """The host's Docker does not take its daemon.json, or not the one that it would get."""

    code = "E-DOCKER-SETTINGS"
    remedy_text = "Mend that file on the host; what Airferry would add is named. Then run it again."


class DockerNotStarted(DockerFailed):
    """The host's Docker is installed and does not start."""

    code = "E-DOCKER-START"
    remedy_text = "Look at 'journalctl -u docker' on the host, mend it, then run it again."


class PullFailed(DockerFailed):
    """A host's Docker got nothing from the registry, and its words do not say whether it can."""

    code = "E-DOCKER-PULL"
    remedy_text = "Check 'airferry tunnels status' and 'airferry registry status'; run it again."
    transient = True
    patience_s = 60.0


class PullDenied(DockerFailed):
    """The registry does not let this host's Docker pull."""

    code = "E-DOCKER-DENIED"
    remedy_text = (
        "The login may not pull this image: have whoever keeps the registry give it the right, "
        "then run it again."
    )


class ImageUnknown(DockerFailed):
    """The registry says that it does not have what a host's Docker asks it for."""

    code = "E-DOCKER-UNKNOWN"
    remedy_text = "Run: airferry import; then airferry configure-hosts --only-failed"


class HostRegistryGone(HostError):
    """The site's registry does not answer when it is asked from the host."""

    code = "E-HOST-REG"
    remedy_text = (
        "Mend the host's way to the registry (name service, route, firewall), then: "
        "airferry configure-hosts --only-failed"
    )
    transient = True
    patience_s = 180.0  # a registry, or a proxy before it, is restarted


class HostRegistryTlsWrong(HostError):
    """What answers the host at the registry's address is not what its Docker will trust."""

    code = "E-HOST-REG-TLS"
    remedy_text = "Mend what is named; does the host reach another machine under that name?"


class PackagesError(AirferryError):
    """The offline Docker bundle (dockerRepo) does not serve this host."""

    code = "E-DOCKER-REPO"
    remedy_text = "Set dockerRepo to the bundle made for this host's operating system."


class StillMissing(AirferryError):
    """A step did its work, and the target still lacks something."""

    code = "E-STILL-MISSING"
    remedy_text = "Run it again; if it stays, send the support files named in the report."


class Cancelled(AirferryError):
    """A person ended the run."""

    code = "E-CANCELLED"
    remedy_text = "Run the same command again: what is done is not done twice."
    exit_code = 130


class DuUnfit(AirferryError):
    """This machine lacks something that the job needs; nothing was changed yet."""

    code = "E-DU-UNFIT"
    remedy_text = "Mend what is named, then run the same command again."


class LocalFilesError(AirferryError):
    """A file or directory of the DU cannot be read or written."""

    code = "E-DU-FILES"
    remedy_text = "Check that the place exists, has room, and belongs to the user of Airferry."


class DuDiskFull(LocalFilesError):
    """No room is left on the DU."""

    code = "E-DU-FULL"
    remedy_text = (
        "Make room on this machine where stateDir is (and registryDir, if it is the same disk), "
        "then run the same command again: what is done is not done twice."
    )


class BackupPlaceUnfit(LocalFilesError):
    """A backup cannot be written where it is wanted: no room, no such large files, a bad medium."""

    code = "E-BACKUP-PLACE"
    remedy_text = "Make room there, or name another place: --outdir DIR. Nothing was left there."


class InternalError(AirferryError):
    """A fault of Airferry itself; its details are in the engine's log."""

    code = "E-INTERNAL"
    remedy_text = "Run it again; if it stays, report it with the engine's log."


def of_local_files(error: OSError, where: str = "") -> LocalFilesError:
    """Return our error for one of the DU's own files.

    Args:
        error: What the system says.
        where: What was being done, for where it names no file.
    """
    kind = DuDiskFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else LocalFilesError
    return kind(f"{error.filename or where}: {error.strerror or error}")


def kinds_by_code() -> dict[str, type[AirferryError]]:
    """Return every kind of error by its code, for errors that come out of another process."""
    found: dict[str, type[AirferryError]] = {}
    waiting: list[type[AirferryError]] = [AirferryError]
    while waiting:
        kind = waiting.pop()
        found.setdefault(kind.code, kind)  # a kind of the same code is a case of the first
        waiting += kind.__subclasses__()
    return found
