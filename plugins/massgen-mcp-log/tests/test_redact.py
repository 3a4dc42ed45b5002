"""Every secret here is drawn at random and put together from pieces when the test runs; none is anybody's."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import string
import time
import uuid
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_mcp_log.redact import Redaction

RANDOM = random.Random(20261120)
ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
UPPER = string.ascii_uppercase + "234567"
URL = ALNUM + "-_"


def drawn(count: int, letters: str = ALNUM) -> str:
    return "".join(RANDOM.choices(letters, k=count))


def mixed(count: int, letters: str = ALNUM) -> str:
    """Draw letters with a digit among them."""
    return drawn(count - 2, letters) + drawn(1, string.digits) + drawn(1, string.ascii_lowercase)


def jwt() -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "HS256"}, {"sub": drawn(8)})]
    return ".".join([*parts, drawn(43, URL)])


def pem(title: str, open_: str = "-----") -> str:
    body = "\n".join(drawn(64, ALNUM + "+/") for _ in range(4))
    return f"{open_}BEGIN {title}{open_}\n{body}\n{open_}END {title}{open_}"


# Kind, the secret, and the text that it stands in ({}).
CORPUS: list[tuple[str, str, str]] = [
    ("aws key id", "AK" + "IA" + drawn(16, UPPER), "using {} in eu-west-1"),
    ("aws temporary id", "AS" + "IA" + drawn(16, UPPER), "id={}"),
    ("aws secret", mixed(40, ALNUM + "+/"), "AWS_SECRET_ACCESS_KEY={}"),
    ("aws signature", drawn(64, HEX), "GET https://b.s3.amazonaws.com/k?X-Amz-Signature={} 200"),
    ("github classic", "gh" + "p_" + drawn(36), "cloning with {}"),
    ("github server", "gh" + "s_" + drawn(36), 'remote: "{}"'),
    ("github fine", "github" + "_pat_" + drawn(22) + "_" + drawn(59), "{}"),
    ("gitlab", "gl" + "pat-" + mixed(20, URL), "PRIVATE-TOKEN {}"),
    ("slack bot", "xo" + "xb-" + drawn(12, string.digits) + "-" + drawn(24), "slack said invalid_auth for {}"),
    ("slack app", "xa" + "pp-1-" + drawn(11) + "-" + drawn(40, HEX), "{}"),
    ("slack hook", f"T{drawn(8, UPPER)}/B{drawn(8, UPPER)}/{drawn(24)}", "POST https://hooks.slack.com/services/{}"),
    ("discord bot", "M" + drawn(25) + "." + drawn(6) + "." + drawn(32, URL), "logging in as {}"),
    ("discord hook", drawn(68, URL), "https://discord.com/api/webhooks/123456789012345678/{}"),
    ("telegram", drawn(9, string.digits) + ":A" + "A" + drawn(33, URL), "https://api.telegram.org/bot{}/getMe"),
    ("stripe", "sk" + "_live_" + drawn(24), "charge failed ({})"),
    ("stripe restricted", "rk" + "_test_" + drawn(24), "{}"),
    ("webhook", "wh" + "sec_" + drawn(32), "{}"),
    ("openai", "sk" + "-proj-" + mixed(48, URL), "Incorrect API key provided: {}."),
    ("openai old", "sk" + "-" + mixed(48), "{}"),
    ("openrouter", "sk" + "-or-v1-" + drawn(64, HEX), "{}"),
    ("anthropic", "sk" + "-ant-api03-" + drawn(93, URL) + "AA", "x-api-key: {}"),
    ("google", "AI" + "za" + drawn(35, ALNUM), "https://maps/api?x={}"),
    ("google client", "GOC" + "SPX-" + drawn(28, ALNUM), "{}"),
    ("google access", "ya" + "29." + drawn(80, URL), "{}"),
    ("huggingface", "h" + "f_" + drawn(34), "login with {}"),
    ("npm", "np" + "m_" + drawn(36), "//registry.example/:_authToken={}"),
    ("pypi", "py" + "pi-AgEIcHlwaS5vcmc" + drawn(60, URL), "upload {}"),
    ("docker", "dc" + "kr_pat_" + drawn(27, URL), "{}"),
    ("digitalocean", "do" + "p_v1_" + drawn(64, HEX), "{}"),
    ("sendgrid", "S" + "G." + drawn(22, ALNUM) + "." + drawn(43, ALNUM), "{}"),
    ("mailgun", "ke" + "y-" + drawn(32, HEX), "{}"),
    ("twilio", "S" + "K" + drawn(32, HEX), "{}"),
    ("shopify", "sh" + "pat_" + drawn(32, HEX), "{}"),
    ("databricks", "da" + "pi" + drawn(32, HEX), "{}"),
    ("linear", "li" + "n_api_" + drawn(40), "{}"),
    ("notion", "nt" + "n_" + drawn(46), "{}"),
    ("figma", "fi" + "gd_" + drawn(40, ALNUM), "{}"),
    ("postman", "PM" + "AK-" + drawn(24, HEX) + "-" + drawn(34, HEX), "{}"),
    ("vault", "hv" + "s." + drawn(90, ALNUM), "{}"),
    ("grafana", "gl" + "sa_" + drawn(32) + "_" + drawn(8, HEX), "{}"),
    ("supabase", "sb" + "p_" + drawn(40, HEX), "{}"),
    ("groq", "gs" + "k_" + drawn(52), "{}"),
    ("replicate", "r" + "8_" + drawn(37), "{}"),
    ("tavily", "tv" + "ly-" + drawn(32), "https://mcp.tavily.com/mcp/?x={}"),
    ("atlassian", "AT" + "ATT3" + drawn(180, ALNUM) + "=" + drawn(8, HEX.upper()), "{}"),
    ("age key", "AGE-SECRET" + "-KEY-1" + drawn(58, UPPER), "{}"),
    ("rsa key", pem("RSA PRIVATE KEY"), "key:\n{}\n"),
    ("openssh key", pem("OPENSSH PRIVATE KEY"), "{}"),
    ("key in json", pem("PRIVATE KEY").replace("\n", "\\n"), '{{"k":"{}"}}'),
    ("jwt", jwt(), "sub ok, jwt {}"),
    ("bearer", mixed(40), "Authorization: Bearer {}"),
    ("basic", base64.b64encode(b"user:" + mixed(14).encode()).decode(), "authorization: Basic {}"),
    ("token scheme", mixed(40), '{{"Authorization": "token {}"}}'),
    ("header in a list", mixed(32), '["X-Api-Key", "{}"]'),
    ("url password", mixed(14), "postgresql://app:{}@db.internal:5432/app"),
    ("redis", mixed(18), "redis://:{}@cache:6379/0"),
    ("mongo", mixed(18), "mongodb+srv://root:{}@cluster0.example.net/?w=majority"),
    ("token in an address", mixed(40), "git clone https://{}@git.example.com/a/b.git"),
    ("json", mixed(10), '{{"user":"ann","password":"{}"}}'),
    ("json, escaped", mixed(24), '{{"body":"{{\\"api_key\\":\\"{}\\"}}"}}'),
    ("json, escaped twice", mixed(24), '\\\\\\"client_secret\\\\\\": \\\\\\"{}\\\\\\"'),
    ("python", mixed(12), "{{'db_password': '{}', 'n': 1}}"),
    ("password with spaces", "correct horse battery " + drawn(4), '{{"passphrase": "{}"}}'),
    ("yaml", mixed(12), "user: ann\npassword: {}\nhost: db"),
    ("yaml word", "tro" + "ubador", "  password: {}\n"),
    ("number", drawn(8, string.digits), '{{"password": {}}}'),
    ("environment", mixed(20), "export DISCORD_BOT_TOKEN={}"),
    ("environment of a server", mixed(24), '"env": {{"EXA_API_KEY": "{}"}}'),
    ("query", mixed(24), "GET /v1/search?q=cats&access_token={}&page=2 HTTP/1.1"),
    ("command line", mixed(16), "server --port 80 --password {} --verbose"),
    ("command line, joined", mixed(16), "server --api-key={}"),
    ("arguments", mixed(16), '["--token", "{}"]'),
    ("curl", mixed(12), "curl -u ann:{} https://example.com"),
    ("netrc", mixed(12), "machine example.com login ann password {}"),
    ("cookie", f"sid={drawn(24)}; theme=dark", "Cookie: {}"),
    ("set-cookie", f"session={drawn(30)}; HttpOnly", "set-cookie: {}\n"),
    ("sas", drawn(43, ALNUM) + "%3D", "https://a.blob.core.windows.net/c?sv=2024&sig={}"),
    ("azure storage", base64.b64encode(RANDOM.randbytes(64)).decode(), "AccountName=a;AccountKey={};EndpointSuffix=x"),
    ("sql server", mixed(12), "Server=db;User Id=sa;Password={};Encrypt=true"),
    ("session of mcp", drawn(32, HEX), "mcp-session-id: {}"),
    ("signing key", drawn(64, HEX), "signing_key = '{}'"),
]

LOOK_ALIKES: list[Callable[[], str]] = [
    lambda: hashlib.sha256(RANDOM.randbytes(8)).hexdigest(),
    lambda: hashlib.md5(RANDOM.randbytes(8)).hexdigest(),
    lambda: "commit " + drawn(40, HEX),
    lambda: f"index {drawn(7, HEX)}..{drawn(7, HEX)} 100644",
    lambda: str(uuid.UUID(int=RANDOM.getrandbits(128))),
    lambda: f"00-{drawn(32, HEX)}-{drawn(16, HEX)}-01",
    lambda: f'{{"trace":"{drawn(32, HEX)}","span":"{drawn(16, HEX)}"}}',
    lambda: "data:image/png;base64," + base64.b64encode(RANDOM.randbytes(300)).decode(),
    lambda: f'{{"type":"image","data":"{base64.b64encode(RANDOM.randbytes(200)).decode()}"}}',
    lambda: f"sha256:{drawn(64, HEX)}",
    lambda: "sha512-" + base64.b64encode(RANDOM.randbytes(64)).decode(),
    lambda: "".join(RANDOM.choices(["Donau", "dampf", "schiff", "fahrts", "kapitaen"], k=8)),
    lambda: "/".join(drawn(RANDOM.randrange(3, 20)) for _ in range(6)) + ".py",
    lambda: f"https://example.com/{drawn(20)}?page={drawn(3, string.digits)}#{drawn(12)}",
    lambda: f'{{"max_tokens": {drawn(4, "123456789")}, "total_tokens": 812, "tokenizer": "cl100k_{drawn(6)}"}}',
    lambda: f'{{"progressToken":"{drawn(24)}","nextPageToken":"{drawn(24)}"}}',
    lambda: f"task-{drawn(24, string.ascii_lowercase)} disk-{drawn(30, string.ascii_lowercase)} risk-free",
    lambda: f"call_{drawn(24)} toolu_{drawn(24)} msg_{drawn(24)}",
    lambda: f'ETag: W/"{drawn(32, HEX)}" Last-Modified: {drawn(10, string.digits)}',
    lambda: f"{drawn(8, string.digits)}.{drawn(6, string.digits)} {drawn(20, string.digits)}",
    lambda: "the password is required; a token must be present, the api key is missing " + drawn(12),
    lambda: f'{{"required": ["password", "api_key"], "properties": {{"token": {{"type": "string"}}}}, "n": "{drawn(20)}"}}',
    lambda: '{"password": "***", "token": "${GITHUB_TOKEN}", "api_key": "env:' + drawn(8, string.ascii_uppercase) + '"}',
    lambda: f"key: value keyboard={drawn(12)} monkey={drawn(8)} public_key_id {drawn(16, HEX)}",
    lambda: f"{drawn(12, UPPER)}-{drawn(12, UPPER)}-{drawn(12, UPPER)} v1.{drawn(2, string.digits)}.{drawn(3, string.digits)}",
]


@pytest.mark.parametrize(("kind", "secret", "text"), CORPUS, ids=[kind for kind, _, _ in CORPUS])
def test_every_secret_is_found(kind: str, secret: str, text: str) -> None:
    """No part of a secret that would be of use stays, alone and among other text; what stands around it stays."""
    for shape in (text, f"before {text} after", f'{{"n":1,"payload":{json.dumps(text.format(secret))}}}' if "\n" not in secret else text):
        shown = Redaction()(shape.format(secret) if "payload" not in shape else shape)
        pieces = [part for part in secret.replace("; ", ";").split(";") if len(part) > 8] or [secret]

        assert pieces[0] not in shown
        assert "[redacted:" in shown
    whole = Redaction()(f"before {text.format(secret)} after")
    assert whole.startswith("before ")


def test_recall_and_false_positives() -> None:
    """All of at least sixty secrets of many kinds, and none of 2,500 look-alikes."""
    redaction = Redaction()
    missed = [kind for kind, secret, text in CORPUS if secret in redaction(text.format(secret))]
    wrong = [text for number in range(2500) if redaction(text := LOOK_ALIKES[number % len(LOOK_ALIKES)]()) != text]

    assert len({kind for kind, _, _ in CORPUS}) >= 60
    assert missed == []
    assert wrong == []


def test_equal_secrets_can_be_followed() -> None:
    """Within one log the same secret has the same mark; another log's mark differs, so that marks cannot be looked up."""
    secret = "gh" + "p_" + drawn(36)
    one, other = Redaction(), Redaction()

    assert one(secret) == one(f"{secret}") != other(secret)
    assert one(secret) != one("gh" + "p_" + drawn(36))


@pytest.mark.parametrize(("kind", "secret", "text"), CORPUS, ids=[kind for kind, _, _ in CORPUS])
def test_redacting_again_changes_nothing(kind: str, secret: str, text: str) -> None:
    """A bundle is redacted once more; marks stay what they are."""
    redaction = Redaction()
    once = redaction(text.format(secret))

    assert redaction(once) == once


@given(st.text(max_size=200))
def test_any_text_can_be_redacted(text: str) -> None:
    """Nothing is ever raised."""
    assert isinstance(Redaction()(text), str)


def test_plain_data_is_redacted_by_its_keys() -> None:
    """A value under a telling key goes, others stay, however deep."""
    secret = mixed(12)
    data = {"env": {"MY_TOKEN": secret, "HOME": "/home/ann"}, "list": [{"password": secret}, 3, None], "retries": 2}
    shown = Redaction().value(data)

    assert secret not in json.dumps(shown)
    assert shown["env"]["HOME"] == "/home/ann"
    assert shown["retries"] == 2
    assert shown["list"][1:] == [3, None]


def test_known_values_come_first() -> None:
    """A value that is known to be secret goes wherever it stands, even where it looks like nothing."""
    redaction = Redaction(lambda text: text.replace("tuesday", "***"), ["plain words here"])

    assert redaction("on tuesday: plain words here") == redaction("on tuesday: plain words here")
    assert "plain words" not in redaction("on tuesday: plain words here")
    assert "tuesday" not in redaction("on tuesday")


def test_hostile_text_is_quick() -> None:
    """Text that is made to be slow is not: a megabyte takes seconds at most, whatever it holds."""
    for piece in (
        "password",
        "token=",
        "eyJ",
        "sk-",
        "-----BEGIN PRIVATE KEY-----",
        "://a:",
        "Cookie: ",
        '"key": "',
        "--",
        "\\\\\\",
        "xox",
        "Bearer ",
        "ab_",
        "ab-1 ",
        "<key>",
        "| token ",
    ):
        text = piece * (200_000 // len(piece))
        began = time.process_time()
        Redaction()(text)

        assert time.process_time() - began < 5, piece
