"""What credentials look like, and which keys tell that a value is one. Each rule has hints: without one of them in the text it is not tried."""

from __future__ import annotations

import re
from collections.abc import Sequence

from massgen_mcp_log.words import is_drawn, is_token

__all__ = ["RULES", "TELLING", "assigned", "is_harmless"]

Rule = tuple[str, tuple[str, ...], re.Pattern[str]]

# In JSON, what begins a line stands behind the letter of an escape.
_BEFORE = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))"
_AFTER = r"(?![A-Za-z0-9])"


def _shape(kind: str, hint: str | Sequence[str], pattern: str) -> Rule:
    hints = (hint,) if isinstance(hint, str) else tuple(hint)
    return kind, tuple(each.lower() for each in hints), re.compile(f"{_BEFORE}(?P<secret>{pattern}){_AFTER}")


def _context(kind: str, hint: str | Sequence[str], pattern: str) -> Rule:
    hints = (hint,) if isinstance(hint, str) else tuple(hint)
    return kind, tuple(each.lower() for each in hints), re.compile(pattern)


_WORD = r"[A-Za-z0-9_-]"
RULES: tuple[Rule, ...] = (
    _context(
        "private-key",
        "private key",
        r"(?P<secret>-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:(?!-----)[\s\S]){1,20000}"
        r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?)",
    ),
    _shape("age-key", "age-secret-key-", r"AGE-SECRET-KEY-1[A-Z0-9]{50,70}"),
    _shape("aws-key-id", ("akia", "asia", "abia", "acca"), r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}"),
    _shape("github", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"gh[pousr]_[A-Za-z0-9]{36,255}"),
    _shape("github", "github_pat_", r"github_pat_\w{40,255}"),
    _shape("gitlab", ("glpat-", "glptt-", "gldt-", "glrt-", "glcbt-", "glsoat-"), rf"gl(?:pat|ptt|dt|rt|cbt|soat)-{_WORD}{{20,}}"),
    _shape("slack", ("xoxb-", "xoxp-", "xoxa-", "xoxs-", "xoxr-", "xoxe", "xapp-"), r"(?:xox[baprs]|xoxe(?:\.xox[bp])?|xapp)-[A-Za-z0-9-]{10,}"),
    _context("slack-webhook", "hooks.slack.com", r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<secret>[A-Za-z0-9/_-]{20,})"),
    _context("discord-webhook", "/api/webhooks/", r"discord(?:app)?\.com/api/(?:v\d+/)?webhooks/\d+/(?P<secret>[\w-]{30,})"),
    _context("discord", ".", r"(?<![A-Za-z0-9_.-])(?P<secret>[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40})(?![A-Za-z0-9_-])"),
    _context("telegram", ":aa", r"(?<!\d)(?P<secret>\d{8,10}:AA[A-Za-z0-9_-]{32,34})(?![A-Za-z0-9_-])"),
    _shape("stripe", ("sk_live_", "sk_test_", "rk_live_", "rk_test_"), r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    _shape("webhook-secret", "whsec_", r"whsec_[A-Za-z0-9+/=_-]{20,}"),
    _shape("anthropic", "sk-ant-", rf"sk-ant-{_WORD}{{20,}}"),
    _shape("api-key", "sk-", rf"sk-(?:proj-|svcacct-|admin-|or-v1-|lf-)?(?=[A-Za-z0-9_-]{{0,60}}\d){_WORD}{{20,}}"),
    _shape("google", "aiza", rf"AIza{_WORD}{{35}}"),
    _shape("google", "gocspx-", rf"GOCSPX-{_WORD}{{24,32}}"),
    _context("google", "ya29.", rf"{_BEFORE}(?P<secret>ya29\.[A-Za-z0-9_.-]{{20,}})"),
    _shape("huggingface", ("hf_", "api_org_"), r"(?:hf_|api_org_)[A-Za-z]{30,40}"),
    _shape("huggingface", "hf_", r"hf_[A-Za-z0-9]{34,40}"),
    _shape("npm", "npm_", r"npm_[A-Za-z0-9]{36}"),
    _shape("pypi", "pypi-age", r"pypi-AgE[A-Za-z0-9_-]{40,}"),
    _shape("docker", "dckr_", r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}"),
    _shape("digitalocean", ("dop_v1_", "doo_v1_", "dor_v1_"), r"do[opr]_v1_[a-f0-9]{64}"),
    _context("sendgrid", "sg.", rf"{_BEFORE}(?P<secret>SG\.[A-Za-z0-9_-]{{16,32}}\.[A-Za-z0-9_-]{{32,64}})"),
    _shape("mailgun", "key-", r"key-[a-f0-9]{32}"),
    _shape("mailchimp", "-us", r"[a-f0-9]{32}-us\d{1,2}"),
    _shape("twilio", "sk", r"SK[a-f0-9]{32}"),
    _shape("square", ("sq0atp-", "sq0csp-", "eaaa"), rf"(?:sq0(?:atp|csp)-{_WORD}{{22,50}}|EAAA{_WORD}{{56,64}})"),
    _shape("shopify", ("shpat_", "shpca_", "shppa_", "shpss_"), r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    _shape("databricks", "dapi", r"dapi[a-f0-9]{32}(?:-\d)?"),
    _shape("linear", "lin_", r"lin_(?:api|oauth)_[A-Za-z0-9]{32,}"),
    _shape("notion", ("ntn_", "secret_"), r"(?:ntn_|secret_)[A-Za-z0-9]{40,50}"),
    _shape("figma", "figd_", rf"figd_{_WORD}{{36,}}"),
    _shape("postman", "pmak-", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    _context("vault", ("hvs.", "hvb.", "hvr."), rf"{_BEFORE}(?P<secret>hv[sbr]\.[A-Za-z0-9_-]{{24,}})"),
    _context("terraform", ".atlasv1.", r"(?P<secret>[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,70})"),
    _shape("heroku", "hrku-", rf"HRKU-{_WORD}{{30,}}"),
    _shape("newrelic", ("nrak-", "nrii-"), r"NR(?:AK|II)-[A-Z0-9a-z_-]{27,40}"),
    _shape("grafana", ("glsa_", "glc_"), r"(?:glsa_[A-Za-z0-9]{32}_[a-f0-9]{8}|glc_[A-Za-z0-9+/=]{32,})"),
    _shape("sentry", ("sntrys_", "sntryu_"), r"sntry[su]_[A-Za-z0-9+/=_-]{40,}"),
    _shape("supabase", ("sbp_", "sb_secret_"), r"(?:sbp_[a-f0-9]{40}|sb_secret_[A-Za-z0-9_-]{20,})"),
    _shape("perplexity", "pplx-", r"pplx-[A-Za-z0-9]{32,}"),
    _shape("groq", "gsk_", r"gsk_[A-Za-z0-9]{40,}"),
    _shape("replicate", "r8_", r"r8_[A-Za-z0-9]{36,40}"),
    _shape("xai", "xai-", r"xai-[A-Za-z0-9]{60,}"),
    _shape("tavily", "tvly-", r"tvly-[A-Za-z0-9-]{24,}"),
    _shape("firecrawl", "fc-", r"fc-[a-f0-9]{32}"),
    _shape("tailscale", "tskey-", r"tskey-[a-z]+-[A-Za-z0-9-]{20,}"),
    _shape("1password", "ops_ey", rf"ops_ey{_WORD}{{60,}}"),
    _context("doppler", "dp.", rf"{_BEFORE}(?P<secret>dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9._-]{{36,}})"),
    _context("airtable", "pat", rf"{_BEFORE}(?P<secret>pat[A-Za-z0-9]{{14}}\.[a-f0-9]{{64}})"),
    _shape("atlassian", "atatt3", r"ATATT3[A-Za-z0-9_=-]{50,}"),
    _context("dropbox", "sl.", rf"{_BEFORE}(?P<secret>sl\.(?:u\.)?[A-Za-z0-9_-]{{80,}})"),
    _context("mapbox", ".ey", rf"{_BEFORE}(?P<secret>[sp]k\.eyJ[A-Za-z0-9_-]{{20,}}\.[A-Za-z0-9_-]{{16,}})"),
    _shape("contentful", "cfpat-", rf"CFPAT-{_WORD}{{40,}}"),
    _shape("fly", ("fm1_", "fm2_"), r"fm[12]_[A-Za-z0-9+/=]{40,}"),
    _shape("easypost", ("ezak", "eztk"), r"EZ[AT]K[a-f0-9]{50,}"),
    _context("jwt", "eyj", rf"{_BEFORE}(?P<secret>eyJ[A-Za-z0-9_-]{{10,}}\.eyJ[A-Za-z0-9_-]{{10,}}\.[A-Za-z0-9_-]{{10,}})"),
    _context("jwt", "eyj", rf"{_BEFORE}(?P<secret>eyJ[A-Za-z0-9_-]{{16,}}(?:\.[A-Za-z0-9_-]*){{4}})"),
    # Who and with what, in addresses: only the second half is secret.
    _context("url-password", "://", r"://[^\s/:@\"'<>\\\[]{0,200}:(?P<secret>[^\s/@\"'<>\\]{3,200})@"),
    _context("url-token", "://", r"(?i)https?://(?P<secret>[a-z0-9_-]{20,200})@"),
    _context("bearer", "bearer", r"(?i)\bbearer\s+(?P<secret>[A-Za-z0-9._~+/=-]{12,})"),
    _context("basic", "basic", r"(?i)\bbasic\s+(?P<secret>[A-Za-z0-9+/]{10,}={0,2})(?![A-Za-z0-9+/=])"),
    _context(
        "auth-scheme",
        ("ssws", "token ", "apikey "),
        r"(?i)(?<=authorization)[\"'\\]{0,4}\s{0,3}[:=,]\s{0,3}[\"'\\]{0,4}(?:ssws|token|apikey)\s+(?P<secret>[^\s\"'\\,;]{8,})",
    ),
    _context("aws-signature", "x-amz-", r"(?i)x-amz-(?:signature|security-token|credential)=(?P<secret>[A-Za-z0-9%/+_.-]{16,})"),
    _context("sas", "sig=", r"(?<=[?&;])sig=(?P<secret>[A-Za-z0-9%+/=_-]{20,})"),
    _context("azure-key", ("accountkey=", "sharedaccesskey="), r"(?i)(?:accountkey|sharedaccesskey)=(?P<secret>[A-Za-z0-9+/=]{20,})"),
    _context("query-key", ("?key=", "&key=", "?code=", "&code="), r"(?<=[?&])(?:key|code)=(?P<secret>[A-Za-z0-9_-]{20,400})(?![A-Za-z0-9])"),
    _context("sql-password", "identified ", r"(?i)identified\s+(?:with\s+\S{1,60}\s+)?(?:by|as)\s+[\"'](?P<secret>[^\s\"'\\]{3,200})[\"'\\]"),
    _context("curl-user", (" -u", " --user"), r"(?<=\s)(?:-u|--user)[\s=]+[\"']?[^\s:\"']{1,100}:(?P<secret>[^\s\"']{3,200})"),
    _context("netrc", "machine ", r"machine\s+\S+\s+login\s+\S+\s+password\s+(?P<secret>\S{3,200})"),
)

# Keys whose values are secret, wherever such a pair stands: JSON, escaped JSON, YAML, a command line, an environment, a query. They are looked for in
# lower case, so that the search is a plain one, and only where one stands is the rest looked at.
TELLING = re.compile(
    r"pass(?:word|wd|phrase|code|key)|pwd|secret[_-]?(?:access[_-]?)?key|client[_-]?secret|secret|"
    r"(?:api|access|auth|private|signing|encryption|master|account|service|app|admin|session|subscription|license|deploy|shared|webhook)[._-]?key|"
    r"token|authorization|credentials?|cookie|session[_-]?id|signature|otp|pin[_-]?code"
)
_HARMLESS_TOKENS = ("progress", "progress_", "page", "page_", "next_", "cursor", "continuation", "cancellation")
_QUOTE = r"\\{0,16}[\"']"
_FLAG = re.compile(r"(?:--|x-)[a-z-]{0,40}\Z")
_COOKIE = re.compile(r"[\"'\\]{0,4}\s{0,3}[:=]\s{0,3}[\"'\\]{0,4}(?P<secret>[^\r\n\"'\\]{6,4000})")
_NUMBERED = r"(?:[_-]?\d{1,3})?"
_OPENED = re.compile(rf"{_NUMBERED}(?:{_QUOTE})?\s{{0,5}}(?:=>|:=|[:=])\s{{0,5}}(?P<open>{_QUOTE})")
# `{"name": "API_KEY", "value": "..."}`, `<add key="ApiKey" value="..."/>`
_NAMED = re.compile(rf"{_NUMBERED}{_QUOTE}\s{{0,5}},?\s{{0,5}}(?:{_QUOTE})?value(?:{_QUOTE})?\s{{0,5}}[:=]\s{{0,5}}(?P<open>{_QUOTE})", re.IGNORECASE)
_ELEMENT = re.compile(r"[A-Za-z0-9_.:-]{0,40}>(?P<secret>[^<>\s]{4,4000})</")
_TAG = re.compile(r"<[A-Za-z0-9_.:-]{0,40}\Z")
_CELL = re.compile(r"`?\s{0,20}\|\s{0,20}`?(?P<secret>(?=[^\s|]{0,200}\d)[^\s|`]{6,200})`?\s{0,20}\|")
_LISTED = re.compile(rf"{_QUOTE}\s{{0,5}},\s{{0,5}}(?P<open>{_QUOTE})")
_BARE = re.compile(
    rf"{_NUMBERED}(?:={{1,2}}|\s{{0,3}}[:=]\s{{1,5}})(?!(?i:bearer|basic|token|ssws|apikey)\s)(?P<secret>[^\s\"'\\,;&<>(){{}}\[\]]{{4,4000}})"
)
_SPACED = re.compile(r"[ \t]+(?P<secret>(?!-)[^\s\"'\\,;&<>(){}\[\]]{4,4000})")
_DIGITS = re.compile(rf"{_QUOTE}\s{{0,5}}:\s{{0,5}}(?P<secret>\d{{4,20}})(?!\d)")
_LONGEST = 4000


def assigned(text: str, lowered: str, found: re.Match[str]) -> tuple[int, int] | None:
    """Return where the value of a telling key stands.

    Args:
        text: In which the key stands.
        lowered: The same in lower case, and as long.
        found: The key, in `lowered`.
    """
    start, end = found.span()
    key = found[0]
    if key == "token" and lowered[max(0, start - 13) : start].endswith(_HARMLESS_TOKENS):
        return None
    if key == "cookie" and (cookie := _COOKIE.match(text, end)):
        return cookie.span("secret")
    opened = _OPENED.match(text, end) or _NAMED.match(text, end)
    is_flag = _FLAG.search(lowered[max(0, start - 42) : start]) is not None
    if opened is None and (is_flag or key in ("authorization", "cookie")):
        opened = _LISTED.match(text, end)
    if opened is not None:
        close = text.find(opened["open"], opened.end(), opened.end() + _LONGEST)
        if close < 0 or close - opened.end() < 3 or "\n" in text[opened.end() : close]:
            return None
        return opened.end(), close
    bare = _BARE.match(text, end) or (_SPACED.match(text, end) if is_flag else None) or _CELL.match(text, end)
    if bare is None and _TAG.search(lowered[max(0, start - 42) : start]):
        bare = _ELEMENT.match(text, end)
    if bare is None and key.startswith(("pass", "pwd", "pin")):
        bare = _DIGITS.match(text, end)
    return None if bare is None else bare.span("secret")


# Names of headers and variables, and what stands in a template for the value itself.
_NAME = re.compile(r"(?i)(?:x-|proxy-)?(?:[a-z]{1,12}-){0,2}(?:api-key|authorization|cookie|auth-token)|your[_-][a-z_-]{2,60}")
# A call, or a name with dots, of a program's text: what is drawn has digits.
_CODE = re.compile(r"`[^`\d]{1,60}`|[A-Za-z_]{1,40}(?:\.[A-Za-z_]{1,60}){1,6}")
_STARS = re.compile(r"[*•x.]{3,}|<[^<>]{1,60}>|\$\{?[A-Za-z_][^}]{0,80}\}?|%[A-Za-z_]{1,60}%|\{\{?[^{}]{1,60}\}?\}", re.IGNORECASE)
_REFERENCE = re.compile(r"(?:env|keyring|dotenv|file|vault):[\w./:-]{1,200}")
_WORDS = frozenset(
    """required optional string number boolean object array integer null none true false invalid missing expired unknown hidden redacted secret token
    password present absent empty default undefined wrong unset value values must should cannot incorrect rejected refused accepted denied header
    field parameter argument type bearer basic description properties""".split()  # noqa: SIM905 - as prose they can be read
)


def is_harmless(secret: str, kind: str) -> bool:
    """Whether what stands where a secret could stand is none: a placeholder, a reference, a word of prose, a plain number."""
    if "[redacted:" in secret[:40] or secret.startswith("redacted:") or _STARS.fullmatch(secret) or _REFERENCE.fullmatch(secret):
        return True
    if kind == "token":
        return not is_token(secret)
    if kind == "query-key":
        return not is_drawn(secret)
    if kind == "assigned" and (_NAME.fullmatch(secret) or _CODE.fullmatch(secret)):
        return True
    if kind == "assigned":
        return secret.strip(".,:;!?").lower() in _WORDS or (len(secret) < 4 and not secret.isdigit())
    if kind in ("bearer", "basic"):
        return secret.isalpha() and secret.islower()
    return False
