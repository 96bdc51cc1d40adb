"""The contract of an Admin Center: merge, never replace; give only what is missing."""

import asyncio
from uuid import UUID

import pytest

from adapters.admin_directory.sandbox import SandboxAdminDirectory
from adapters.sandbox_books import SandboxBooks
from adapters.sandbox_script import Script
from services.ports import CounterpartyRefused, CounterpartyUnavailable, OutcomeUnknown
from services.vault_records import Contact

ACCOUNT = UUID("00000000-0000-4000-8000-000000000001")
OTHER_ACCOUNT = UUID("00000000-0000-4000-8000-000000000002")
JANA = Contact(name="Jana Vogt", email="jana.vogt@example.com")


@pytest.fixture
def directory(books: SandboxBooks) -> SandboxAdminDirectory:
    """The sandbox's Admin Center."""
    return SandboxAdminDirectory(books)


async def test_an_admin_ensured_twice_is_created_once(directory: SandboxAdminDirectory) -> None:
    first = await directory.ensure_admin(ACCOUNT, JANA)
    again = await directory.ensure_admin(ACCOUNT, JANA)
    assert (first.created, again.created) == (True, False)
    assert first.external_reference == again.external_reference
    assert len(await directory.admins()) == 1


async def test_of_twenty_who_ensure_an_admin_at_once_one_creates_it(directory: SandboxAdminDirectory) -> None:
    answers = await asyncio.gather(*(directory.ensure_admin(ACCOUNT, JANA) for _ in range(20)))
    assert sum(answer.created for answer in answers) == 1
    assert len({answer.external_reference for answer in answers}) == 1


async def test_what_is_there_is_kept_and_what_is_missing_is_added(directory: SandboxAdminDirectory) -> None:
    await directory.ensure_admin(ACCOUNT, JANA)
    await directory.ensure_admin(
        ACCOUNT, Contact(name="J. Vogt-Maier", email="Jana.Vogt@Example.com ", phone="+4930123456")
    )
    await directory.ensure_admin(OTHER_ACCOUNT, JANA.model_copy(update={"phone": "+4940999999"}))
    (admin,) = await directory.admins()
    assert (admin.name, admin.email, admin.phone) == ("Jana Vogt", "jana.vogt@example.com", "+4930123456")
    assert admin.accounts == [ACCOUNT, OTHER_ACCOUNT]


async def test_another_address_is_another_admin(directory: SandboxAdminDirectory) -> None:
    first = await directory.ensure_admin(ACCOUNT, JANA)
    second = await directory.ensure_admin(ACCOUNT, JANA.model_copy(update={"email": "jana@example.com"}))
    assert second.created
    assert first.external_reference != second.external_reference


async def test_a_reference_does_not_give_the_address_away(directory: SandboxAdminDirectory) -> None:
    admin = await directory.ensure_admin(ACCOUNT, JANA)
    assert "jana" not in admin.external_reference
    assert "@" not in admin.external_reference


async def test_only_missing_seats_are_given(directory: SandboxAdminDirectory) -> None:
    reference = (await directory.ensure_admin(ACCOUNT, JANA)).external_reference
    assert await directory.ensure_seats(reference, ["goto_webinar"]) == ("goto_webinar",)
    given = await directory.ensure_seats(reference, ["goto_training", "goto_webinar", "goto_meeting", "goto_training"])
    assert given == ("goto_training", "goto_meeting")
    assert await directory.ensure_seats(reference, ["goto_training", "goto_webinar", "goto_meeting"]) == ()
    assert await directory.ensure_seats(reference, []) == ()
    assert (await directory.admins())[0].products == ["goto_webinar", "goto_training", "goto_meeting"]


async def test_a_seat_ensured_by_many_at_once_is_given_once(directory: SandboxAdminDirectory) -> None:
    reference = (await directory.ensure_admin(ACCOUNT, JANA)).external_reference
    answers = await asyncio.gather(*(directory.ensure_seats(reference, ["goto_meeting"]) for _ in range(20)))
    assert sorted(answers) == [()] * 19 + [("goto_meeting",)]


async def test_updating_an_admin_takes_no_seat_away(directory: SandboxAdminDirectory) -> None:
    reference = (await directory.ensure_admin(ACCOUNT, JANA)).external_reference
    await directory.ensure_seats(reference, ["goto_meeting"])
    await directory.ensure_admin(ACCOUNT, JANA.model_copy(update={"phone": "+4930123456"}))
    assert (await directory.admins())[0].products == ["goto_meeting"]


async def test_an_unknown_admin_and_an_unknown_product_are_refused(directory: SandboxAdminDirectory) -> None:
    reference = (await directory.ensure_admin(ACCOUNT, JANA)).external_reference
    with pytest.raises(CounterpartyRefused):
        await directory.ensure_seats("adm_nobody", ["goto_meeting"])
    with pytest.raises(CounterpartyRefused):
        await directory.ensure_seats(reference, ["goto_meeting", "goto_mars"])
    assert (await directory.admins())[0].products == []


async def test_a_repetition_after_a_lost_answer_finds_what_was_done(
    directory: SandboxAdminDirectory, script: Script
) -> None:
    for operation in ("ensure_admin", "ensure_seats"):
        await script.plan(f"admin_directory.{operation}", "after", "timeout")
    with pytest.raises(OutcomeUnknown):
        await directory.ensure_admin(ACCOUNT, JANA)
    admin = await directory.ensure_admin(ACCOUNT, JANA)
    with pytest.raises(OutcomeUnknown):
        await directory.ensure_seats(admin.external_reference, ["goto_meeting"])
    assert await directory.ensure_seats(admin.external_reference, ["goto_meeting"]) == ()
    assert (await directory.admins())[0].products == ["goto_meeting"]


async def test_what_is_planned_to_fail_before_its_effect_has_none(
    directory: SandboxAdminDirectory, script: Script
) -> None:
    await script.plan("admin_directory.ensure_admin", "before", "unavailable")
    with pytest.raises(CounterpartyUnavailable):
        await directory.ensure_admin(ACCOUNT, JANA)
    await script.plan("admin_directory.ensure_admin", "before", "reject")
    with pytest.raises(CounterpartyRefused) as refused:
        await directory.ensure_admin(ACCOUNT, JANA)
    assert "jana" not in str(refused.value).lower()
    await script.plan("admin_directory.ensure_seats", "before", "reject")
    with pytest.raises(CounterpartyRefused):
        await directory.ensure_seats("adm_nobody", ["goto_meeting"])
    assert await directory.admins() == []
