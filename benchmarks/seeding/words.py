"""The words of names and texts."""


def _each(words: str) -> tuple[str, ...]:
    return tuple(words.split())


PLACES = _each(
    "Aargau Alentejo Andalucía Bavaria Bretagne Burgenland Catalunya Crevillent Dolomiti Drava"
    " Flandern Friuli Galicia Gorenjska Hessen Île-de-France Jura Kärnten Koroška Levante Limburg"
    " Lombardia Madeira Moravia Normandie Oberland Overijssel Piemonte Pomurje Primorska Provence"
    " Rheinland Saarland Savinjska Segura Skåne Steiermark Tirol Toscana Uppland Valencia Wallis"
    " Zeeland Zürichsee"
)

TRADES = _each(
    "Networks Distribution Aggregation Flexibility Energy Power Grid Utilities Supply Metering"
    " Services Cooperative Trading Storage Solar Wind Hydro Data Markets Systems"
)

FIRST_NAMES = _each(
    "Ana Bor Clara Dirk Eva Franc Greta Hugo Ines Jan Karla Luka Maja Nils Olga Pau"
)
LAST_NAMES = _each("Ruiz Novak Weber Rossi Dubois Jansen Costa Horvat Berg Keller Moreau Silva")

KINDS = (
    "Validated meter data",
    "Day-ahead load forecast",
    "Photovoltaic generation forecast",
    "Flex-offers of heat pumps",
    "Flex-offers of charging points",
    "Grid capacity map",
    "Congestion warnings",
    "Dynamic tariffs",
    "Asset master data",
    "Balancing market results",
    "Reactive power readings",
    "Quarter-hourly consumption",
    "Settlement data",
    "Voltage quality records",
    "Customer consent register",
    "Transformer loading",
)

SENTENCES = (
    "Readings of the day before are complete by noon.",
    "Values are validated and gaps are estimated by the standard load profile.",
    "Every document is a CIM market document with its own mRID.",
    "Corrections are sent within three working days.",
    "The customer's consent is asked for each point of delivery.",
    "Outages are announced a day ahead, and reported within an hour.",
    "Data must not be passed on to third parties.",
    "Liability is limited to the yearly fee.",
    "Energy is in kWh, power in kW; consumption is positive.",
    "Either side may terminate at the end of a month.",
)

REASONS = (
    "The customer moved house.",
    "Maintenance of the head-end system.",
    "The contract was not renewed.",
    "The portfolio has changed.",
    "The terms do not fit our budget.",
)

COUNTRIES = _each("ES SI DE CH AT FR IT PT NL BE SE DK PL CZ HR")
