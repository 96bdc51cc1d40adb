// Shows what is new every two seconds while the page is looked at. Without it the page is complete, and reloaded by hand.
"use strict";
(() => {
  const shown = document.querySelector("main[data-live]");
  if (!shown) return;
  const look = async () => {
    const selecting = !window.getSelection().isCollapsed || shown.contains(document.activeElement);
    if (document.hidden || selecting) return;
    const answer = await fetch(location.href, { cache: "no-store" }).catch(() => null);
    document.body.classList.toggle("away", !answer || !answer.ok);
    if (!answer || !answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
    if (fresh && fresh.innerHTML !== shown.innerHTML) shown.replaceChildren(...fresh.childNodes);
  };
  setInterval(look, 2000);
})();
