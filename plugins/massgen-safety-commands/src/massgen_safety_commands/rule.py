"""What a rule is, and the places that rules are about."""

from __future__ import annotations

from typing import Literal

import attrs

from massgen_safety_commands.facts import Access

__all__ = ["OUTSIDE", "SECRETS", "START_FILES", "SYSTEM", "On", "Rule"]

OUTSIDE = r"(?!/(?:tmp|var/tmp|dev|proc/self/fd)/|/tmp$)(?:/|~|\.\.(?:/|$))"
SYSTEM = r"/(?:etc|usr|bin|sbin|lib\w*|boot|sys|proc|root|var/(?:lib|spool|log|run)|run|opt|srv|System|Library)(?:/|$)|/$"
SECRETS = (
    r"(?:~|\.\.(?:/[^/]+)*)/(?:\.ssh|\.aws|\.azure|\.gnupg|\.kube|\.password-store|\.mozilla|\.config/(?:gcloud|gh|op|rclone|google-chrome|chromium))(?:/|$)"
    r"|~/(?:\.netrc|\.git-credentials|\.pgpass|\.my\.cnf|\.npmrc|\.pypirc|\.vault-token|\.docker/config\.json|\.\w*_history|Library/Keychains"
    r"|\.local/share/keyrings|\.config/git/credentials|\.cargo/credentials\S*|\.terraform\.d/credentials\S*)(?:/|$)"
    r"|/etc/(?:g?shadow-?|sudoers|ssh/ssh_host_\w+_key|krb5\.keytab|kubernetes/\S*\.conf)(?:/|$)|/etc/sudoers\.d"
    r"|/(?:var/)?run/secrets/|/var/lib/kubelet/"
    r"|(?:~|/|\.\.).*/\.env(?:$|\.(?!example|sample|template|dist)\w+$)"
)
START_FILES = (
    r"~/\.(?:bash(?:rc|_profile|_login|_logout)|profile|zsh\w+|zprofile|zlogin|cshrc|tcshrc|kshrc|inputrc|xinitrc|xprofile|pam_environment|pythonrc)"
    r"|~/\.(?:config/(?:fish|autostart|systemd)|local/share/systemd|ssh/(?:authorized_keys|rc|config))|~/\.gitconfig|~/Library/Launch"
    r"|/etc/(?:profile|bash\.bashrc|zsh|environment|rc\.local|init\.d|cron|at\.|systemd|ld\.so\.preload|pam\.d|sudoers|xdg/autostart)"
    r"|/var/spool/cron|/(?:usr/)?lib/systemd|/usr/local/lib/systemd"
)


@attrs.frozen(kw_only=True)
class On:
    """A condition; all that is given has to hold, of one program that is called, of one path that is used, or of a text.

    Attributes:
        programs: Patterns of names, `*` for anything; a name that begins with `:` is a deed without a program.
        arguments: A regular expression that is found in the arguments.
        unless: One that is not.
        fed: Programs whose output goes into it.
        access: How the path is used.
        paths: A regular expression that a path begins with, written as `facts.Use` says.
        text: One that is found in a script without its quoted parts, or in code that has no reader of its own.
    """

    programs: tuple[str, ...] = ()
    arguments: str = ""
    unless: str = ""
    fed: tuple[str, ...] = ()
    access: tuple[Access, ...] = ()
    paths: str = ""
    text: str = ""


@attrs.frozen(kw_only=True)
class Rule:
    """What is dangerous, and why.

    Attributes:
        when: One of these conditions has to hold.
        matches: Examples that it matches.
        passes: Look-alikes that it does not match.
    """

    name: str
    level: Literal["deny", "ask", "warn"]
    reason: str
    when: tuple[On, ...]
    matches: tuple[str, ...]
    passes: tuple[str, ...]
