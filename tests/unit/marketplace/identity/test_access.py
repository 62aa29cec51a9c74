from collections.abc import Callable

import pytest

from marketplace.core.environment import Environment
from marketplace.core.unit_of_work import unit_of_work
from marketplace.identity import access, listeners, service
from marketplace.identity.domain import AccessRole, MarketPlayerState
from marketplace.identity.listeners import PlayerChange
from marketplace.identity.tables import MarketPlayer
from mpp_sdk.errors import Forbidden, InvalidInput, NotFound, Unauthenticated
from mpp_sdk.ids import new_id

from .conftest import OPERATOR, STATEMENT, AtWork, Registered, principal_of

PLAYER = MarketPlayer(id=new_id(), name="P")


def test_without_a_caller_nothing_goes() -> None:
    for check in (
        access.current_principal,
        access.require_operator,
        access.require_market_player,
        access.require_active_player,
        access.visible_to,
    ):
        with pytest.raises(Unauthenticated):
            check()


@pytest.mark.parametrize("state", MarketPlayerState)
def test_only_an_active_player_changes_the_market(state: MarketPlayerState) -> None:
    with access.acting_for(principal_of(PLAYER, state=state)):
        assert access.require_market_player() == PLAYER.id
        assert access.visible_to() == PLAYER.id
        if state is MarketPlayerState.ACTIVE:
            assert access.require_active_player(AccessRole.PROVIDER) == PLAYER.id
        else:
            with pytest.raises(Forbidden, match=state.value):
                access.require_active_player(AccessRole.PROVIDER)


def test_a_role_is_needed() -> None:
    with access.acting_for(principal_of(PLAYER, AccessRole.REQUESTER)):
        access.require_active_player(AccessRole.REQUESTER)
        with pytest.raises(Forbidden, match="provider"):
            access.require_active_player(AccessRole.PROVIDER)
        with pytest.raises(Forbidden):
            access.require_operator()


def test_an_operator_sees_everything_and_acts_for_nobody() -> None:
    with access.acting_for(OPERATOR):
        access.require_operator()
        assert access.visible_to() is None
        access.require_operator_or_party("thing", 1)
        with pytest.raises(Forbidden):
            access.require_active_player()


def test_what_is_another_s_does_not_exist() -> None:
    with access.acting_for(principal_of(PLAYER)):
        access.require_operator_or_party("thing", 1, new_id(), PLAYER.id)
        for parties in ((), (new_id(),), (None, new_id())):
            with pytest.raises(NotFound):
                access.require_operator_or_party("thing", 1, *parties)


@pytest.fixture
def forget_listeners() -> object:
    saved = {change: dict(each) for change, each in listeners._listeners.items()}
    yield
    for change, each in saved.items():
        listeners._listeners[change].clear()
        listeners._listeners[change].update(each)


@pytest.mark.usefixtures("forget_listeners")
def test_listeners_act_in_the_same_transaction(
    environment: Environment,
    at_work: AtWork,
    player: Registered,
) -> None:
    told: list[tuple[PlayerChange, object, str]] = []

    def telling(change: PlayerChange) -> Callable[[object, str], None]:
        return lambda market_player_id, reason: told.append((change, market_player_id, reason))

    listeners.on_player_suspended(telling(PlayerChange.SUSPENDED))
    listeners.on_player_reinstated(telling(PlayerChange.REINSTATED))
    listeners.on_player_deregistered(telling(PlayerChange.DEREGISTERED))
    own = player[0].id
    with at_work(OPERATOR):
        service.activate_market_player(own, "a", None)
        service.suspend_market_player(own, "s", None)
        service.reinstate_market_player(own, "r", None)
    assert told == [(PlayerChange.SUSPENDED, own, "s"), (PlayerChange.REINSTATED, own, "r")]

    def fail(*_: object) -> None:
        raise InvalidInput("no")

    listeners.on_player_deregistered(fail)
    with pytest.raises(InvalidInput), at_work(OPERATOR):
        service.deregister_market_player(own, "d", None)
    with unit_of_work(environment.engine, read_only=True):
        assert service.player_state(own) is MarketPlayerState.ACTIVE


def test_companies_are_seen_by_others_without_contact(
    environment: Environment,
    player: Registered,
) -> None:
    own = player[0].id
    with unit_of_work(environment.engine, read_only=True):
        found = service.companies([own, new_id()])
    assert list(found) == [own]
    assert found[own].name == STATEMENT.name
    assert not hasattr(found[own], "contact_email")
