"""One table says who may do what, and every operation has a row."""

from uuid import UUID

import pytest

from domain.envelope import Actor, Role
from domain.refusals import NotBillingAdmin, NotFound, NotPermitted
from services.authorisation import PERMITTED, Caller, Operation, must_be_permitted, must_be_permitted_on, must_see

HERE, ELSEWHERE = UUID(int=1), UUID(int=2)


def _caller(role: Role) -> Caller:
    return Caller(Actor("p-1", role), frozenset({HERE}), frozenset({"dach"}))


def test_every_operation_has_a_row_and_no_row_is_empty() -> None:
    assert set(PERMITTED) == set(Operation)
    assert all(PERMITTED.values())


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.BILLING_ADMIN, Role.SALES_REP}))
def test_company_roles_see_every_account(role: Role) -> None:
    must_see(_caller(role), ELSEWHERE, None)


def test_a_billing_admin_sees_his_accounts_only() -> None:
    must_see(_caller(Role.BILLING_ADMIN), HERE, None)
    with pytest.raises(NotFound):
        must_see(_caller(Role.BILLING_ADMIN), ELSEWHERE, "dach")


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
        must_be_permitted_on(caller, operation, HERE, "dach")
    else:
        with pytest.raises(NotPermitted):
            must_be_permitted(caller, operation)
        with pytest.raises((NotPermitted, NotBillingAdmin)):
            must_be_permitted_on(caller, operation, HERE, "dach")


def test_a_foreign_account_is_not_found_before_anything_else_is_said() -> None:
    with pytest.raises(NotFound):
        must_be_permitted_on(_caller(Role.BILLING_ADMIN), Operation.MOVE_CLOCK, ELSEWHERE, None)


def test_only_billing_admins_place_orders() -> None:
    with pytest.raises(NotBillingAdmin):
        must_be_permitted_on(_caller(Role.FINANCE), Operation.PLACE_ORDER, HERE, None)
