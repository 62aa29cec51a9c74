"""Who plays in the demonstration: companies and their people."""

from dataclasses import dataclass

from marketplace.identity.domain import MarketPlayerRole as Role


@dataclass(frozen=True)
class Part:
    """A company of the demonstration and the person who acts for it.

    A live one has a platform that really runs; the others' answer in a made-up history only.
    """

    name: str
    country: str
    roles: frozenset[Role]
    person: str
    email: str
    live: bool = False


PROVIDER = Part(
    "Crevillent Distribution",
    "ES",
    frozenset({Role.DSO, Role.METERED_DATA_OPERATOR}),
    "Ana Ruiz",
    "ana.ruiz@crevillent.example",
    live=True,
)
REQUESTER = Part(
    "Levante Aggregation",
    "ES",
    frozenset({Role.AGGREGATOR}),
    "Pau Ferrer",
    "pau.ferrer@levante.example",
    live=True,
)
OTHERS = (
    Part("Ponent Energia", "ES", frozenset({Role.RETAILER}), "Marta Vila", "marta@ponent.example"),
    Part("Norra Elnät", "SE", frozenset({Role.DSO}), "Elin Berg", "elin@norra.example"),
    Part("Isarwerke Netz", "DE", frozenset({Role.DSO}), "Jonas Huber", "jonas@isarwerke.example"),
    Part("Alpenflex", "AT", frozenset({Role.AGGREGATOR}), "Lena Gruber", "lena@alpenflex.example"),
    Part("Adria Trasmissione", "IT", frozenset({Role.TSO}), "Luca Conti", "luca@adria.example"),
    Part("Rhône Services", "FR", frozenset({Role.ESCO}), "Zoé Martin", "zoe@rhone.example"),
    Part("Polder Balance", "NL", frozenset({Role.BRP}), "Daan Visser", "daan@polder.example"),
    Part("Kypros Grid", "CY", frozenset({Role.DSO}), "Eleni Markou", "eleni@kypros.example"),
)
WAITING = (
    Part("Baltica Retail", "LT", frozenset({Role.RETAILER}), "Rasa Petra", "rasa@baltica.example"),
    Part("Douro Flex", "PT", frozenset({Role.AGGREGATOR}), "Rui Costa", "rui@douro.example"),
)
SUSPENDED = Part(
    "Meltemi Trading", "GR", frozenset({Role.BRP}), "Nikos Dimas", "nikos@meltemi.example"
)
OPERATOR = ("Olivia Meyer", "olivia.meyer@flexagora.example")
