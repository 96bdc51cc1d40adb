"""One table says who may do what, and every operation has a row."""

from uuid import UUID

import pytest

from domain.envelope import Actor, Role
from domain.refusals import NotBillingAdmin, NotFound, NotPermitted
from services.authorisation import (
    PERMITTED,
    SEES,
    Caller,
    Operation,
    Sight,
    must_be_permitted,
    must_be_permitted_on,
    must_see,
)

HERE, ELSEWHERE = UUID(int=1), UUID(int=2)


def _caller(role: Role) -> Caller:
    return Caller(Actor("p-1", role), frozenset({HERE}), frozenset({"dach"}))


def test_every_operation_has_a_row_and_no_row_is_empty() -> None:
    assert set(PERMITTED) == set(Operation)
    assert all(PERMITTED.values())


def test_every_role_has_its_sight_and_something_to_do() -> None:
    assert set(SEES) == set(Role)
    assert set().union(*PERMITTED.values()) == set(Role)


@pytest.mark.parametrize("role", sorted(role for role, sight in SEES.items() if sight is Sight.ALL))
def test_company_roles_see_every_account(role: Role) -> None:
    must_see(_caller(role), ELSEWHERE, None)


@pytest.mark.parametrize("role", [Role.BILLING_ADMIN, Role.SERVICE])
def test_a_billing_admin_and_a_service_client_see_their_accounts_only(role: Role) -> None:
    must_see(_caller(role), HERE, None)
    with pytest.raises(NotFound):
        must_see(_caller(role), ELSEWHERE, "dach")


def test_one_of_several_operations_is_enough_and_none_is_refused() -> None:
    both = Operation.ISSUE_QUOTE, Operation.ISSUE_SALES_REP_QUOTE
    must_be_permitted_on(_caller(Role.SALES_REP), HERE, "dach", *both)
    with pytest.raises(NotBillingAdmin):
        must_be_permitted_on(_caller(Role.FINANCE), HERE, "dach", *both)
    with pytest.raises(NotPermitted):
        must_be_permitted(_caller(Role.OPERATOR))


def test_a_sales_rep_sees_his_territory_only() -> None:
    must_see(_caller(Role.SALES_REP), ELSEWHERE, "dach")
    with pytest.raises(NotFound):
        must_see(_caller(Role.SALES_REP), HERE, "north")
    with pytest.raises(NotFound):
        must_see(_caller(Role.SALES_REP), HERE, None)


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("role", Role)
def test_a_role_may_do_what_its_row_says(operation: Operation, role: Role) -> None:
    caller = _caller(role)
    if role in PERMITTED[operation]:
        must_be_permitted(caller, operation)
        must_be_permitted_on(caller, HERE, "dach", operation)
    else:
        with pytest.raises(NotPermitted):
            must_be_permitted(caller, operation)
        with pytest.raises((NotPermitted, NotBillingAdmin)):
            must_be_permitted_on(caller, HERE, "dach", operation)


def test_a_foreign_account_is_not_found_before_anything_else_is_said() -> None:
    with pytest.raises(NotFound):
        must_be_permitted_on(_caller(Role.BILLING_ADMIN), ELSEWHERE, None, Operation.MOVE_CLOCK)


def test_only_billing_admins_place_orders() -> None:
    with pytest.raises(NotBillingAdmin):
        must_be_permitted_on(_caller(Role.FINANCE), HERE, None, Operation.PLACE_ORDER)
