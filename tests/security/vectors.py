"""Addresses that turn a caller inwards, in every spelling that somebody has thought of.

`{port}` stands for the port of a server of the test on the loopback address, so that a guard that
lets one through is seen to make a connection.
"""

from dataclasses import dataclass

REFUSED_ADDRESS = frozenset({"publicAddress"})
NOT_A_HOST = frozenset({"host", "uri"})
NO_NAME = frozenset({"resolvable", "host", "uri"})
"""What is not an address may be refused as that, or as a name that nobody has."""


@dataclass(frozen=True)
class Vector:
    """A URL, what it tries, and the rules by which it may be refused."""

    name: str
    url: str
    rules: frozenset[str]


def _hosts(rules: frozenset[str], **hosts: str) -> list[Vector]:
    return [
        Vector(name.replace("_", " "), f"http://{host}:{{port}}/", rules)
        for name, host in hosts.items()
    ]


ADDRESSES = _hosts(
    REFUSED_ADDRESS,
    this_network="0.0.0.0",
    this_network_end="0.255.255.255",
    loopback="127.0.0.1",
    loopback_other="127.0.0.53",
    loopback_end="127.255.255.254",
    private_10="10.0.0.1",
    private_10_end="10.255.255.255",
    private_172="172.16.0.1",
    private_172_end="172.31.255.255",
    private_192="192.168.0.1",
    private_192_end="192.168.255.255",
    carrier_grade_nat="100.64.0.1",
    carrier_grade_nat_end="100.127.255.255",
    link_local="169.254.0.1",
    cloud_metadata="169.254.169.254",
    container_metadata="169.254.170.2",
    alibaba_metadata="100.100.100.200",
    protocol_assignments="192.0.0.1",
    oracle_metadata="192.0.0.192",
    documentation_1="192.0.2.1",
    documentation_2="198.51.100.1",
    documentation_3="203.0.113.1",
    benchmark="198.18.0.1",
    benchmark_end="198.19.255.255",
    relay_of_6to4="192.88.99.1",
    multicast="224.0.0.1",
    multicast_end="239.255.255.255",
    reserved="240.0.0.1",
    broadcast="255.255.255.255",
    ipv6_unspecified="[::]",
    ipv6_loopback="[::1]",
    ipv6_loopback_long="[0:0:0:0:0:0:0:1]",
    ipv6_loopback_zeros="[0000:0000:0000:0000:0000:0000:0000:0001]",
    ipv6_link_local="[fe80::1]",
    ipv6_link_local_end="[febf::1]",
    ipv6_site_local="[fec0::1]",
    ipv6_unique_local="[fc00::1]",
    ipv6_unique_local_fd="[fd00:ec2::254]",
    ipv6_multicast="[ff02::1]",
    ipv6_multicast_global="[ff0e::1]",
    ipv6_documentation="[2001:db8::1]",
    ipv6_documentation_new="[3fff::1]",
    ipv6_benchmark="[2001:2::1]",
    ipv6_orchid="[2001:20::1]",
    ipv6_discard="[100::1]",
    ipv6_segment_routing="[5f00::1]",
    ipv6_unassigned="[4000::1]",
    mapped="[::ffff:127.0.0.1]",
    mapped_in_hex="[::ffff:7f00:1]",
    mapped_private="[::ffff:10.0.0.1]",
    mapped_metadata="[::ffff:a9fe:a9fe]",
    mapped_long="[0:0:0:0:0:ffff:127.0.0.1]",
    mapped_unspecified="[::ffff:0.0.0.0]",
    compatible="[::127.0.0.1]",
    compatible_in_hex="[::7f00:1]",
    compatible_private="[::10.0.0.1]",
    translated="[::ffff:0:127.0.0.1]",
    nat64="[64:ff9b::127.0.0.1]",
    nat64_in_hex="[64:ff9b::7f00:1]",
    nat64_of_a_public_one="[64:ff9b::8.8.8.8]",
    nat64_local_use="[64:ff9b:1::7f00:1]",
    tunnel_6to4="[2002:7f00:1::]",
    tunnel_6to4_private="[2002:a00:1::1]",
    teredo="[2001::7f00:1]",
    teredo_obfuscated="[2001:0:4136:e378:8000:63bf:80ff:fffe]",
    isatap="[2606:4700::5efe:127.0.0.1]",
    isatap_in_hex="[2606:4700::5efe:7f00:1]",
    isatap_unique="[2606:4700::200:5efe:a00:1]",
    trailing_dot="127.0.0.1.",
    short_two="127.1",
    short_three="127.0.1",
    short_zero="0",
    decimal="2130706433",
    decimal_private="167772161",
    hexadecimal="0x7f000001",
    hexadecimal_capital="0X7F000001",
    hexadecimal_parts="0x7f.0x0.0x0.0x1",
    hexadecimal_padded="0x0000007f000001",
    octal="0177.0.0.1",
    octal_whole="017700000001",
    octal_padded="00000177.0.0.01",
    octal_private="0300.0250.0.1",
    mixed="0x7f.1",
    mixed_octal_and_hexadecimal="0177.0x0.1",
    localhost="localhost",
    localhost_capital="LocalHost",
    localhost_dot="localhost.",
)

NUMERALS = _hosts(
    NOT_A_HOST,
    overflow_of_a_part="256.0.0.1",
    overflow_that_wraps="383.0.0.1",
    overflow_of_a_long_part="127.0.0.4294967297",
    overflow_decimal="4294967296",
    overflow_decimal_that_wraps="6425673729",
    overflow_hexadecimal="0x17f000001",
    octal_that_is_none="0189.0.0.1",
    hexadecimal_without_digits="0x",
    five_parts="127.0.0.1.1",
    empty_part="127..0.1",
    two_trailing_dots="127.0.0.1..",
    leading_dot=".127.0.0.1",
    mapped_octal="[::ffff:0177.0.0.1]",
    mapped_overflow="[::ffff:127.0.0.256]",
    mapped_short="[::ffff:127.1]",
    ipv6_too_long="[1:2:3:4:5:6:7:8:9]",
    ipv6_without_an_end="[::1",
    ipv6_in_no_brackets="::1",
    ipv6_of_the_future="[v1.fe80::1]",
    ipv4_in_brackets="[127.0.0.1]",
    name_in_brackets="[localhost]",
)

ZONES = [
    Vector("zone", "http://[fe80::1%25eth0]:{port}/", REFUSED_ADDRESS | NOT_A_HOST),
    Vector("zone undecoded", "http://[fe80::1%eth0]:{port}/", REFUSED_ADDRESS | NOT_A_HOST),
    Vector("zone of loopback", "http://[::1%25lo]:{port}/", REFUSED_ADDRESS | NOT_A_HOST),
    Vector("zone of a public one", "http://[2606:4700::1%25lo]:{port}/", REFUSED_ADDRESS),
    Vector("zone of a number", "http://[fe80::1%251]:{port}/", REFUSED_ADDRESS | NOT_A_HOST),
]

USERINFO = frozenset({"userinfo", "uri", "host", "port", "noQuery"})

READERS_DIFFER = [
    Vector("userinfo", "http://user@127.0.0.1:{port}/", USERINFO),
    Vector("userinfo with password", "http://user:word@127.0.0.1:{port}/", USERINFO),
    Vector("good before evil", "http://8.8.8.8@127.0.0.1:{port}/", USERINFO),
    Vector("good with port before evil", "http://8.8.8.8:80@127.0.0.1:{port}/", USERINFO),
    Vector("evil before good", "http://127.0.0.1:{port}@8.8.8.8/", USERINFO),
    Vector("two at signs", "http://a@8.8.8.8@127.0.0.1:{port}/", USERINFO),
    Vector("empty userinfo", "http://@127.0.0.1:{port}/", USERINFO | REFUSED_ADDRESS),
    Vector("empty password", "http://:@127.0.0.1:{port}/", USERINFO | REFUSED_ADDRESS),
    Vector("encoded at sign", "http://8.8.8.8%40127.0.0.1:{port}/", USERINFO),
    Vector("encoded userinfo", "http://us%65r%3a@127.0.0.1:{port}/", USERINFO),
    Vector("fragment before at", "http://127.0.0.1:{port}#@8.8.8.8/", USERINFO | REFUSED_ADDRESS),
    Vector("query before at", "http://127.0.0.1:{port}?@8.8.8.8/", USERINFO | REFUSED_ADDRESS),
    Vector("fragment", "http://8.8.8.8#@127.0.0.1:{port}/", USERINFO),
    Vector("backslash before at", "http://8.8.8.8\\@127.0.0.1:{port}/", USERINFO),
    Vector("at before backslash", "http://127.0.0.1:{port}\\@8.8.8.8/", USERINFO),
    Vector("backslashes for slashes", "http:\\\\127.0.0.1:{port}\\", USERINFO | {"https"}),
    Vector("encoded backslash", "http://8.8.8.8%5c@127.0.0.1:{port}/", USERINFO),
    Vector("encoded slash", "http://127.0.0.1:{port}%2f@8.8.8.8/", USERINFO),
    Vector("semicolon", "http://127.0.0.1;8.8.8.8:{port}/", NOT_A_HOST),
    Vector("comma", "http://8.8.8.8,127.0.0.1:{port}/", NOT_A_HOST),
    Vector("ampersand", "http://8.8.8.8&@127.0.0.1:{port}#@8.8.4.4/", USERINFO),
    Vector("space", "http://8.8.8.8 @127.0.0.1:{port}/", USERINFO),
    Vector("tab", "http://127.0.\t0.1:{port}/", USERINFO),
    Vector("tab in the scheme", "ht\ttp://127.0.0.1:{port}/", USERINFO | {"https"}),
    Vector("newline", "http://127.0.0.1\n.example:{port}/", USERINFO),
    Vector("carriage return", "http://127.0.0.1:{port}/\r\nHost: 8.8.8.8", USERINFO),
    Vector("leading space", " http://127.0.0.1:{port}/", USERINFO | {"https"}),
    Vector("null", "http://127.0.0.1\0.example:{port}/", USERINFO),
    Vector("null encoded", "http://127.0.0.1%00.example:{port}/", USERINFO),
    Vector("encoded newline", "http://127.0.0.1%0d%0a.example:{port}/", USERINFO),
    Vector("encoded digits", "http://%31%32%37.0.0.1:{port}/", NOT_A_HOST),
    Vector("encoded name", "http://%6c%6f%63%61%6c%68%6f%73%74:{port}/", NOT_A_HOST),
    Vector("encoded dots", "http://127%2e0%2e0%2e1:{port}/", NOT_A_HOST),
    Vector("encoded twice", "http://%2531%2532%2537.0.0.1:{port}/", NOT_A_HOST),
    Vector("three slashes", "http:///127.0.0.1:{port}/", NOT_A_HOST),
    Vector("one slash", "http:/127.0.0.1:{port}/", NOT_A_HOST),
    Vector("no slash", "http:127.0.0.1:{port}/", NOT_A_HOST),
    Vector("no scheme", "//127.0.0.1:{port}/", USERINFO | {"https"}),
    Vector("wide digits", "http://\uff11\uff12\uff17.0.0.1:{port}/", NOT_A_HOST),
    Vector("ideographic stops", "http://127\u30020\u30020\u30021:{port}/", NOT_A_HOST),
    Vector("wide stops", "http://127\uff0e0\uff0e0\uff0e1:{port}/", NOT_A_HOST),
    Vector("circled digits", "http://\u2460\u2461\u2466.0.0.1:{port}/", NOT_A_HOST),
    Vector("circled letters", "http://\u24db\u24de\u24d2\u24d0\u24db\u24d7ost:{port}/", NOT_A_HOST),
    Vector("arabic digits", "http://\u0661\u0662\u0667.0.0.1:{port}/", NOT_A_HOST),
    Vector("soft hyphen", "http://local\u00adhost:{port}/", NOT_A_HOST),
    Vector("zero width", "http://local\u200bhost:{port}/", NOT_A_HOST),
    Vector("long s", "http://localho\u017ft:{port}/", NOT_A_HOST),
    Vector("cyrillic o", "http://l\u043ecalhost:{port}/", NOT_A_HOST),
    Vector("sharp s", "http://8.8.8.8.\u00df.example:{port}/", NOT_A_HOST),
    Vector("right to left", "http://\u202e1.0.0.721:{port}/", NOT_A_HOST),
    Vector("long label", "http://" + "a" * 64 + ".example:{port}/", NO_NAME),
    Vector("long name", "http://" + "a." * 140 + "example:{port}/", NO_NAME),
]

PORTS = [
    Vector(f"port of {name}", f"http://8.8.8.8:{number}/", frozenset({"port", "uri"}))
    for name, number in {
        "nothing": 0,
        "no machine": 65_536,
        "no machine at all": 10**20,
        "ssh": 22,
        "telnet": 23,
        "smtp": 25,
        "dns": 53,
        "imap": 143,
        "ldap": 389,
        "docker": 2375,
        "etcd": 2379,
        "zookeeper": 2181,
        "sql server": 1433,
        "oracle": 1521,
        "mysql": 3306,
        "postgresql": 5432,
        "rabbitmq": 5672,
        "rabbitmq's console": 15672,
        "redis": 6379,
        "kubernetes": 6443,
        "kubelet": 10250,
        "elasticsearch": 9200,
        "memcached": 11211,
        "mongodb": 27017,
    }.items()
] + [
    Vector("negative port", "http://127.0.0.1:-1/", frozenset({"uri", "host"})),
    Vector("port that is a name", "http://127.0.0.1:http/", frozenset({"uri", "host"})),
    Vector("two ports", "http://8.8.8.8:80:{port}/", frozenset({"uri", "host"})),
]

SCHEMES = [
    Vector(f"scheme {url.partition(':')[0]}", url, frozenset({"https", "uri"}))
    for url in (
        "file:///etc/passwd",
        "ftp://127.0.0.1:{port}/",
        "gopher://127.0.0.1:{port}/_GET",
        "dict://127.0.0.1:{port}/",
        "ldap://127.0.0.1:{port}/",
        "tftp://127.0.0.1:{port}/",
        "unix:///run/docker.sock",
        "http+unix://%2frun%2fdocker.sock/",
        "jar:http://127.0.0.1:{port}/!/",
        "netdoc:///etc/passwd",
        "data:text/plain,hello",
        "javascript:alert(1)",
        "ws://127.0.0.1:{port}/",
        "HTTPX://127.0.0.1:{port}/",
    )
]

VECTORS = [*ADDRESSES, *NUMERALS, *ZONES, *READERS_DIFFER, *PORTS, *SCHEMES]

PUBLIC = (
    "http://8.8.8.8/",
    "http://8.8.8.8:8443/mpp",
    "http://134744072/",
    "http://100.63.255.255/",
    "http://172.32.0.1/",
    "http://[2606:4700::1111]/",
    "http://[::ffff:8.8.8.8]/",
)
"""Addresses that are admitted, lest a guard pass the tests by refusing everything."""
