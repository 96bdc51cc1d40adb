// What pages gain with script, and do without as well: no second submit, live prices, live progress.

// A second click on a form that is on its way does nothing; back from the next page it works again.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sending) {
    event.preventDefault();
    return;
  }
  form.dataset.sending = "yes";
  event.submitter?.setAttribute("aria-disabled", "true");
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sending]")) delete form.dataset.sending;
  for (const button of document.querySelectorAll("[aria-disabled]")) button.removeAttribute("aria-disabled");
});

// The cart: each line's sum at once, prices from the server that will quote them.
const cart = document.getElementById("cart");
if (cart) {
  const number = new Intl.NumberFormat(document.documentElement.lang);
  let asked = 0;

  function showSum(line) {
    const input = line.querySelector("input.seats");
    const outcome = document.getElementById(`${input.id}-sum`);
    const typed = input.value.trim();
    if (!/^[0-9]{1,9}$/.test(typed) || Number(typed) === 0) return;
    const before = Number(line.dataset.seats);
    const told = { before, new: Number(typed), after: before + Number(typed) };
    outcome.textContent = outcome.dataset.sentence.replace(/\{(\w+)\}/g, (_, name) => number.format(told[name]));
  }

  async function showPrices() {
    const turn = ++asked;
    let prices;
    try {
      const answer = await fetch(cart.dataset.prices, { method: "POST", body: new URLSearchParams(new FormData(cart)) });
      if (!answer.ok || answer.redirected) return;
      prices = await answer.json();
    } catch {
      return; // the button below asks again
    }
    if (turn !== asked) return; // typed on meanwhile
    for (const line of cart.querySelectorAll(".line")) {
      const { name } = line.querySelector("input.seats");
      const id = name.slice("seats-".length);
      const told = line.querySelector(".wrong:not([data-live])"); // by the page itself
      line.querySelector("[data-live]").textContent = told ? "" : (prices.complaints[name] ?? "");
      line.querySelector("[data-net]").textContent = prices.lines[id] ?? "–";
    }
    for (const sum of cart.querySelectorAll("[data-sum]")) sum.textContent = prices.sums?.[sum.dataset.sum] ?? "–";
    cart.querySelector("[data-sums]").toggleAttribute("data-empty", !prices.sums);
    const said = cart.querySelector("[data-said]");
    said.textContent = prices.sums ? said.dataset.said.replace("{gross}", prices.sums.gross) : "";
  }

  let waiting;
  cart.addEventListener("input", (event) => {
    if (!event.target.matches("input.seats")) return;
    showSum(event.target.closest(".line"));
    clearTimeout(waiting);
    waiting = setTimeout(showPrices, 200);
  });
  cart.querySelector("[data-without-script]").hidden = true;
}

// The order's page: the part that lives comes anew with each event; whoever reads or types in it is left alone.
const live = document.querySelector("[data-follow]");
if (live) {
  const events = new EventSource(live.dataset.follow);
  let held;
  const show = (html) => {
    const next = document.createElement("template");
    next.innerHTML = html; // our own page's part, escaped by the server
    const focused = live.contains(document.activeElement) ? document.activeElement.textContent.trim() : null;
    live.replaceChildren(next.content);
    if (focused === null) return;
    const again = [...live.querySelectorAll("a, button")].find((each) => each.textContent.trim() === focused);
    if (again) again.focus();
    else {
      live.tabIndex = -1;
      live.focus();
    }
  };
  events.addEventListener("progress", (event) => {
    if (event.data !== held) show((held = event.data));
  });
  events.addEventListener("over", () => events.close());
  for (const each of document.querySelectorAll("[data-without-script]")) each.hidden = true;
}
