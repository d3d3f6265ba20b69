// A page that stays open asks the hub again and again. When it gets no answer it says so: nothing green stands there unsure.
(() => {
  const live = document.getElementById("live"), note = document.getElementById("old");
  if (!live || !note || !live.hasAttribute("hx-get")) return;
  const PATIENCE = 100_000; // three times the longest rest between two questions, and what a browser adds in the background
  let heard = Date.now();
  const say = (old) => {
    if (old) note.querySelector("time").textContent = new Date(heard).toISOString().slice(11, 19) + " UTC";
    live.classList.toggle("old", old);
    note.hidden = !old;
  };
  document.body.addEventListener("htmx:afterOnLoad", (event) => {
    if (!event.detail.successful) return;
    heard = Date.now();
    say(false);
  });
  for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"])
    document.body.addEventListener(name, () => say(true));
  setInterval(() => { if (Date.now() - heard > PATIENCE) say(true); }, 5_000);
})();
