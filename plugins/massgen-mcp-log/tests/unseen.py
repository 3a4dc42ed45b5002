"""A corpus that no rule was written for: formats as providers describe them in public, and what tools really answer.

Every secret is drawn at random and put together from pieces when the test runs; none is anybody's.
"""

from __future__ import annotations

import base64
import random
import string
import uuid
from collections.abc import Callable, Iterator

__all__ = ["LOOKS", "PLACES", "SHAPES", "TOLD", "looks", "secrets"]

LOWER, UPPER, DIGITS = string.ascii_lowercase, string.ascii_uppercase, string.digits
ALNUM, HEX, URL = LOWER + UPPER + DIGITS, "0123456789abcdef", LOWER + UPPER + DIGITS + "-_"
Draw = Callable[[random.Random], str]


def of(*parts: str | tuple[int, str]) -> Draw:
    """Return what draws a text: literal pieces, and counts of letters of an alphabet."""
    return lambda r: "".join(part if isinstance(part, str) else "".join(r.choices(part[1], k=part[0])) for part in parts)


def uid(prefix: str) -> Draw:
    return lambda r: prefix + str(uuid.UUID(int=r.getrandbits(128), version=4))


def encoded(prefix: str, count: int) -> Draw:
    return lambda r: prefix + base64.b64encode(r.randbytes(count)).decode()


# Provider and format. Where a provider has several kinds of keys, each has a line.
SHAPES: tuple[tuple[str, Draw], ...] = (
    ("cloudflare user token", of("cf", "ut_", (48, ALNUM))),
    ("cloudflare account token", of("cf", "at_", (48, ALNUM))),
    ("cloudflare global key", of("cf", "k_", (48, ALNUM))),
    ("packagist", of("packagist", "_ort_", (68, HEX))),
    ("planetscale token", of("pscale", "_tkn_", (43, URL))),
    ("planetscale password", of("pscale", "_pw_", (43, URL))),
    ("planetscale oauth", of("pscale", "_oauth_", (43, URL))),
    ("shippo", of("shippo", "_live_", (40, HEX))),
    ("duffel", of("duffel", "_test_", (43, URL))),
    ("prefect", of("pn", "u_", (36, ALNUM))),
    ("rubygems", of("rubygems", "_", (48, HEX))),
    ("clojars", of("CLOJARS", "_", (60, LOWER + DIGITS))),
    ("scalingo", of("tk", "-us-", (48, URL))),
    ("readme", of("rd", "me_", (70, LOWER + DIGITS))),
    ("frame.io", of("fi", "o-u-", (64, URL))),
    ("dynatrace", of("dt", "0c01.", (24, UPPER + DIGITS), ".", (64, UPPER + DIGITS))),
    ("infracost", of("ic", "o-", (32, ALNUM))),
    ("pulumi", of("pu", "l-", (40, HEX))),
    ("brevo", of("xkey", "sib-", (64, HEX), "-", (16, ALNUM))),
    ("gitlab feed", of("gl", "ft-", (20, ALNUM))),
    ("gitlab incoming mail", of("gl", "imt-", (25, LOWER + DIGITS))),
    ("gitlab oauth application", of("gl", "oas-", (64, HEX))),
    ("gitlab agent", of("gl", "agent-", (50, URL))),
    ("gitlab runner", of("gl", "rt-", (20, ALNUM))),
    ("gitlab deploy", of("gl", "dt-", (20, ALNUM))),
    ("flutterwave", of("FLW", "SECK_TEST-", (32, HEX), "-X")),
    ("typeform", of("tf", "p_", (44, ALNUM), "_", (14, ALNUM))),
    ("octopus deploy", of("AP", "I-", (26, UPPER + DIGITS))),
    ("sonarqube", of("sq", "u_", (40, HEX))),
    ("artifactory", of("AK", "Cp8", (69, ALNUM))),
    ("alibaba id", of("LT", "AI5t", (20, ALNUM))),
    ("azure application", of((3, ALNUM), "8Q~", (34, ALNUM + "_-~."))),
    ("resend", of("r", "e_", (8, ALNUM), "_", (24, ALNUM))),
    ("neon", of("na", "pi_", (64, LOWER + DIGITS))),
    ("vercel blob", of("vercel", "_blob_rw_", (16, ALNUM), "_", (30, ALNUM))),
    ("buildkite", of("bk", "ua_", (40, HEX))),
    ("circleci", of("CCI", "PAT_", (22, ALNUM), "_", (40, HEX))),
    ("langsmith", of("ls", "v2_pt_", (32, HEX), "_", (10, HEX))),
    ("langfuse", uid("s" + "k-lf-")),
    ("pinecone", of("pc", "sk_", (6, ALNUM), "_", (60, ALNUM))),
    ("elevenlabs", of("s", "k_", (48, HEX))),
    ("fireworks", of("f", "w_", (24, ALNUM))),
    ("cerebras", of("cs", "k-", (48, LOWER + DIGITS))),
    ("nvidia", of("nv", "api-", (64, URL))),
    ("voyage", of("p", "a-", (43, URL))),
    ("jina", of("ji", "na_", (64, ALNUM))),
    ("apify", of("apify", "_api_", (36, ALNUM))),
    ("browserbase", of("bb", "_live_", (27, URL))),
    ("e2b", of("e2", "b_", (40, HEX))),
    ("n8n", of("n8n", "_api_", (40, LOWER + DIGITS))),
    ("posthog personal", of("ph", "x_", (43, ALNUM))),
    ("statsig", of("se", "cret-", (43, ALNUM))),
    ("launchdarkly", uid("sd" + "k-")),
    ("netlify", of("nf", "p_", (36, ALNUM))),
    ("render", of("rn", "d_", (28, ALNUM))),
    ("maxmind", of((6, ALNUM), "_", (29, ALNUM), "_mm" + "k")),
    ("square", of("EA" + "AA", (60, URL))),
    ("facebook", of("EA" + "AB", (160, ALNUM))),
    ("harness", of("pa", "t.", (22, ALNUM), ".", (24, HEX), ".", (20, ALNUM))),
    ("bedrock", encoded("ABS" + "K", 96)),
    ("openshift", of("sh", "a256~", (43, URL))),
    ("yandex", of("AQ", "VN", (36, URL))),
    ("sourcegraph", of("sg", "p_", (16, HEX), "_", (40, HEX))),
    ("clickhouse cloud", of("4b", "1d", (38, ALNUM))),
    ("onepassword secret key", of("A3-", (6, UPPER + DIGITS), "-", (11, UPPER + DIGITS), "-", (5, UPPER + DIGITS), "-", (5, UPPER + DIGITS))),
)

NAMES = """user account file image reader writer parse build token cache layer stream buffer query result index handler utf8 base64
    http2 sha256 x86 v2""".split()  # noqa: SIM905 - as prose they can be read


def snake(r: random.Random) -> str:
    return "_".join(r.choices(NAMES, k=r.randrange(4, 9)))


def camel(r: random.Random) -> str:
    return r.choice(["get", "with_", "my-"]) + "".join(word.title() for word in r.choices(NAMES, k=r.randrange(4, 9)))


# What stands in the answers of tools and is no secret.
LOOKS: tuple[Draw, ...] = (
    of("chatcmpl-", (29, ALNUM)),
    of("resp_", (48, HEX)),
    of("msg_01", (22, ALNUM)),
    of("toolu_01", (22, ALNUM)),
    of("req_011C", (20, ALNUM)),
    of("file-", (24, ALNUM)),
    of("run_", (24, ALNUM)),
    of("thread_", (24, ALNUM)),
    of("asst_", (24, ALNUM)),
    of("cus_", (14, ALNUM)),
    of("pi_3", (23, ALNUM)),
    of("pack-", (40, HEX), ".idx"),
    of("commit-", (40, HEX)),
    of("/nix/store/", (32, LOWER + DIGITS), "-openssl-3.0.13"),
    of("registry.example/team/app@sha256:", (64, HEX)),
    of("web-", (10, HEX), "-", (5, LOWER + DIGITS)),
    of("assets/index-", (8, URL), ".js"),
    of("chunk-vendors.", (20, HEX), ".css"),
    of("i-0", (16, HEX)),
    of("subnet-0", (16, HEX)),
    of("arn:aws:iam::", (12, DIGITS), ":role/service-role/reader-", (8, LOWER)),
    of("Root=1-", (8, HEX), "-", (24, HEX)),
    uid("session-"),
    uid("https://example.com/items/"),
    of("https://docs.google.com/document/d/1", (43, URL), "/edit"),
    of("https://youtu.be/", (11, URL)),
    encoded("sha512-", 64),
    encoded("data:image/webp;base64,", 200),
    encoded("", 90),
    snake,
    camel,
    lambda r: "def test_" + snake(r) + "_returns_" + str(r.randrange(100)) + "(self):",
    lambda r: "-".join(r.choices(NAMES, k=6)) + "-2025-" + str(r.randrange(10, 99)),
    lambda r: f"backup_{snake(r)}_20250{r.randrange(1, 9)}12T101112Z.tar.gz",
    lambda r: f"{r.choice(NAMES)}_{r.randrange(10**6)}_{r.randrange(10**6)}_{r.randrange(10**9)}_{r.randrange(10**9)}",
    lambda r: '{"name": "token", "value": "' + r.choice(["string", "optional", "true"]) + '"}',
    lambda r: "| password | string | The account's password. |",
    lambda r: "<key>" + camel(r) + "</key>",
    lambda r: f"https://example.com/search?key={snake(r)}&code={r.randrange(999)}",
    lambda r: "CREATE TABLE t (token TEXT, password TEXT NOT NULL, api_key VARCHAR(40));",
)

# Where the format tells nothing, the name tells: how files, environments and answers of tools spell the same thing.
TOLD: tuple[str, ...] = (
    "MISTRAL_API_KEY={}",
    '"cohereApiKey": "{}"',
    '"consumer_secret": "{}"',
    "X-Auth-Key: {}",
    "x-api-token: {}",
    "datadog.api.key={}",
    "spring.datasource.password={}",
    "ConnectionStrings__Password={}",
    '"accessKeySecret":"{}"',
    '"SecretAccessKey": "{}"',
    "bot_token = '{}'",
    "--auth-token {}",
    "PGPASSWORD={} psql -h db",
    '<add key="ApiKey" value="{}" />',
    "<password>{}</password>",
    '"privateKeyPassphrase": "{}"',
    "https://api.example.com/v1?apikey={}&q=1",
    "https://api.example.com/v1?key={}",
    "Ocp-Apim-Subscription-Key: {}",
    "PRIVATE-TOKEN: {}",
    "Authorization: Token {}",
    "Authorization: ApiKey {}",
    'api_key: "{}"',
    ":api_key => '{}',",
    "const token = `{}`;",
    "SLACK_SIGNING_SECRET: {}",
    "| password | {} |",
    "requirepass {}",
    "IDENTIFIED BY '{}'",
    "redis-cli -a {} ping",
    "sshpass -p {} ssh host",
    "mysql -u root -p{} app",
)

# Without a name that tells.
PLACES: tuple[str, ...] = ("{}", "it said {} and ended.", '{{"values":["a","{}"]}}', "https://example.com/{}/x", "{{'text': 'see\\n{}\\nthere'}}")


def secrets(seed: int) -> Iterator[tuple[str, str, str]]:
    """Yield what it is, the secret, and the text that it stands in."""
    r = random.Random(seed)
    for name, draw in SHAPES:
        for place in PLACES:
            secret = draw(r)
            yield name, secret, place.format(secret)
    for place in TOLD:
        for count, letters in ((32, HEX), (40, ALNUM), (20, ALNUM)):
            secret = "".join(r.choices(letters, k=count - 2)) + r.choice(DIGITS) + r.choice("abcdef")
            yield place, secret, place.format(secret)


def looks(seed: int, count: int) -> Iterator[str]:
    """Yield texts that hold no secret."""
    r = random.Random(seed)
    for number in range(count):
        yield r.choice(PLACES[:3]).format(LOOKS[number % len(LOOKS)](r))
