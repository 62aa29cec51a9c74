"""Which version of the EU-MP contract a platform speaks, in words for people."""

from flask_babel import gettext as _

from marketplace.core.contract_version import ContractVersion
from marketplace.identity.speaking import own_version
from marketplace.identity.tables import Platform


def spoken_by(platform: Platform) -> str:
    """Return what is known of a platform's version, and what it means when it is another one."""
    said = platform.contract_version
    if said is None:
        return str(_("not known yet"))
    version, own = ContractVersion.parse(said), own_version()
    if version is None:
        return str(_("%(version)s, which is no version", version=said))
    if version.major != own.major:
        other = _(
            "%(version)s, another major version than the marketplace's %(own)s",
            version=said,
            own=str(own),
        )
        return str(other)
    if version.minor < own.minor:
        older = _(
            "%(version)s; what came with %(own)s is not sent to it", version=said, own=own.series
        )
        return str(older)
    return said
