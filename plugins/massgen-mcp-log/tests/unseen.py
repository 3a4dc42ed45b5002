"""A corpus that no rule was written for: formats as providers describe them in public, and what tools really answer.

Every secret is drawn at random and put together from pieces when the test runs; none is anybody's.
"""

from __future__ import annotations

import base64
import random
import string
import uuid
from collections.abc import Callable, Iterator

__all__ = ["PLACES", "SHAPES", "TOLD", "secrets"]

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
