"use strict";
// Without this script the page works too: links lead to the stages, and their boxes open by a click.
const root = document.documentElement;
const remembered = () => { try { return localStorage.getItem("angiogram-theme"); } catch { return null; } };
const remember = (theme) => { try { localStorage.setItem("angiogram-theme", theme); } catch { /* a private window */ } };
const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;

const button = document.getElementById("theme");
const wear = (theme) => {
  if (theme) root.dataset.theme = theme;
  button.textContent = isDark() ? "☀ Light" : "☾ Dark";
};
wear(remembered());
button.hidden = false;
button.addEventListener("click", () => { const theme = isDark() ? "light" : "dark"; remember(theme); wear(theme); });

const openNamed = () => {
  const name = decodeURIComponent(location.hash.slice(1));
  document.querySelectorAll("[data-current]").forEach((box) => delete box.dataset.current);
  const section = name && document.getElementById(name);
  if (!section || section.tagName !== "DETAILS") return;
  section.open = true;
  section.hidden = false; // the filter may have hidden it
  const box = [...document.querySelectorAll("svg a")].find((a) => a.getAttribute("href") === `#${name}`);
  if (box) box.dataset.current = "";
  section.scrollIntoView();
  section.querySelector("summary").focus({ preventScroll: true });
};
addEventListener("hashchange", openNamed);
openNamed();

// Many stages: show those with a text in their name, or with one verdict.
const find = document.getElementById("find");
if (find) {
  const verdict = document.getElementById("verdict");
  const shown = document.getElementById("shown");
  const stages = [...document.querySelectorAll("details.stage")];
  const drawn = new Map([...document.querySelectorAll("svg.lineage a")].map((a) => [a.getAttribute("href"), a]));
  const filter = () => {
    const words = find.value.trim().toLowerCase();
    let count = 0;
    stages.forEach((stage) => {
      const fits = stage.dataset.name.toLowerCase().includes(words) && (!verdict.value || stage.dataset.verdict === verdict.value);
      stage.hidden = !fits;
      count += fits;
      const box = drawn.get(`#${stage.id}`);
      if (box) { if (fits) delete box.dataset.out; else box.dataset.out = ""; }
    });
    shown.textContent = `${count} of ${stages.length} stages`;
  };
  find.addEventListener("input", filter);
  verdict.addEventListener("change", filter);
  find.closest(".find").hidden = false;
  filter();
}

// A second click on the same stage changes no address, yet has to open it again.
document.querySelectorAll("svg a").forEach((a) => a.addEventListener("click", () => {
  if (a.getAttribute("href") === location.hash) openNamed();
}));
// Left and right go from stage to stage in the picture.
const boxes = [...document.querySelectorAll("svg.lineage a")];
boxes.forEach((a, i) => a.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  (boxes[i + step] || a).focus();
}));
