"""What the pages say, in the help article's words where it has them: written here, so that the catalogue is checked."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Labels:
    """A language's."""

    subscriptions: str
    quotes: str
    orders: str
    add_seats: str
    quantity: str
    save_cart: str
    to_payment: str
    admin_contact: str
    payment_method: str
    billing_address: str
    to_order: str
    place: str
    receipt: str
    name: str
    email: str
    street: str
    sum: str  # with {0} today, {1} new, {2} after
    another: str
    into_cart: str
    update_prices: str
    another_card: str
    charged: str
    newest_state: str


DE: Final = Labels(
    subscriptions="Abonnements",
    quotes="Angebote",
    orders="Bestellungen",
    add_seats="Sitze hinzufügen",
    quantity="New Seat Qty",
    save_cart="Warenkorb speichern und Überprüfen",
    to_payment="Fortfahren zur Zahlung",
    admin_contact="Administratorkontakt",
    payment_method="Zahlungsweise",
    billing_address="Rechnungsadresse",
    to_order="Speichern und Fortfahren zum Serviceauftrag",
    place="Service-Bestellung aufgeben",
    receipt="Quittung",
    name="Name",
    email="E-Mail-Adresse",
    street="Straße und Hausnummer",
    sum="{} heute + {} neu = {}",
    another="Weiteres Abonnement",
    into_cart="In den Warenkorb legen",
    update_prices="Preise aktualisieren",
    another_card="Andere Karte eingeben",
    charged="{} wurden von Ihrer Karte abgebucht.",
    newest_state="Neuesten Stand anzeigen",
)
EN: Final = Labels(
    subscriptions="Subscriptions",
    quotes="Quotes",
    orders="Orders",
    add_seats="Add Seats",
    quantity="New Seat Qty",
    save_cart="Save Cart and Review",
    to_payment="Proceed to Payment",
    admin_contact="Admin contact",
    payment_method="Payment method",
    billing_address="Billing address",
    to_order="Save and Proceed to Service Order",
    place="Place Service Order",
    receipt="Receipt",
    name="Name",
    email="Email address",
    street="Street and number",
    sum="{} today + {} new = {}",
    another="Another subscription",
    into_cart="Put into the cart",
    update_prices="Update prices",
    another_card="Enter another card",
    charged="{} was charged to your card.",
    newest_state="Show the newest state",
)
LABELS: Final = {"de": DE, "en": EN}
