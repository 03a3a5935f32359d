"use strict";
(() => {
  const one = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];

  // A link opens whatever its target is folded into.
  const reveal = (id) => {
    const target = document.getElementById(id);
    if (!target) return;
    for (let place = target; place; place = place.parentElement)
      if (place.localName === "details") place.open = true;
    target.scrollIntoView({ block: "start" });
    const focus = target.querySelector(":scope > summary");
    if (focus) focus.focus({ preventScroll: true });
  };
  addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (!link) return;
    if (one("nav .index").contains(link) && innerWidth < 900) one("nav .index").open = false;
    setTimeout(reveal, 0, link.getAttribute("href").slice(1));
  });
  addEventListener("hashchange", () => reveal(location.hash.slice(1)));
  if (innerWidth < 900) one("nav .index").open = false;
  if (location.hash) reveal(location.hash.slice(1));

  const agents = all("details.agent");
  one("#unfold").addEventListener("click", () => agents.forEach((agent) => { agent.open = true; }));
  one("#fold").addEventListener("click", () => agents.forEach((agent) => { agent.open = false; }));

  // Search: everything that speaks of a file bears its path.
  const search = one("#search");
  const found = one("#found");
  const unfiltered = found.textContent;
  const bearers = all("[data-path]").map((element) => [element, element.dataset.path.toLowerCase()]);
  const listed = bearers.filter(([element]) => element.closest("nav"));
  const fits = (path) => path.includes(search.value.trim().toLowerCase());
  search.addEventListener("input", () => {
    for (const [element, path] of bearers) element.classList.toggle("out", !fits(path));
    const number = listed.filter(([, path]) => fits(path)).length;
    found.textContent = search.value.trim() ? `${number} of ${listed.length} files` : unfiltered;
    if (search.value && innerWidth < 900) one("nav .index").open = true;
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      search.value = "";
      search.dispatchEvent(new Event("input"));
      search.blur();
    }
    const first = listed.find(([, path]) => fits(path));
    if (event.key === "Enter" && first) first[0].firstElementChild.click();
  });
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.matches("input")) return;
    event.preventDefault();
    search.focus();
  });

  const drawing = one("#drawing");
  if (!drawing) return;

  // The graph: pointing at a file shows its edges, arrow keys go to the nearest file that way.
  const nodes = all("#drawing .node");
  const edges = all("#drawing .edges path");
  const pointed = one("#pointed");
  const touching = nodes.map(() => []);
  for (const edge of edges) {
    touching[edge.dataset.s].push(edge);
    touching[edge.dataset.t].push(edge);
  }
  const point = (node) => {
    for (const lit of all("#drawing .lit")) lit.classList.remove("lit", "needs", "needed");
    drawing.classList.toggle("pointing", Boolean(node));
    pointed.textContent = node ? node.getAttribute("aria-label") : "";
    if (!node) return;
    node.classList.add("lit");
    for (const edge of touching[node.dataset.n]) {
      const role = edge.dataset.s === node.dataset.n ? "needs" : "needed";
      edge.classList.add("lit", role);
      nodes[role === "needs" ? edge.dataset.t : edge.dataset.s].classList.add("lit", role);
    }
  };
  const boxes = nodes.map((node) => {
    const box = node.querySelector("rect");
    const number = (name) => Number(box.getAttribute(name));
    return { x: number("x") + number("width") / 2, y: number("y") + number("height") / 2 };
  });
  const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  nodes.forEach((node, place) => {
    node.setAttribute("tabindex", place ? "-1" : "0");
    node.addEventListener("pointerenter", () => point(node));
    node.addEventListener("pointerleave", () => point(null));
    node.addEventListener("focus", () => point(node));
    node.addEventListener("blur", () => point(null));
    node.addEventListener("keydown", (event) => {
      const direction = directions[event.key];
      if (!direction) return;
      event.preventDefault();
      let best = null;
      let least = Infinity;
      boxes.forEach((box, other) => {
        const along = (box.x - boxes[place].x) * direction[0] + (box.y - boxes[place].y) * direction[1];
        const aside = Math.abs((box.x - boxes[place].x) * direction[1] + (box.y - boxes[place].y) * direction[0]);
        if (along > 1 && along + 3 * aside < least) [best, least] = [other, along + 3 * aside];
      });
      if (best === null) return;
      node.setAttribute("tabindex", "-1");
      nodes[best].setAttribute("tabindex", "0");
      nodes[best].focus();
    });
  });

  const canvas = one("#canvas");
  const { width, height } = drawing.viewBox.baseVal;
  let scale = 1;
  const zoom = (wanted) => {
    const next = Math.min(2.5, Math.max(0.15, wanted));
    const x = (canvas.scrollLeft + canvas.clientWidth / 2) / scale;
    const y = (canvas.scrollTop + canvas.clientHeight / 2) / scale;
    drawing.setAttribute("width", width * next);
    drawing.setAttribute("height", height * next);
    canvas.scrollTo(x * next - canvas.clientWidth / 2, y * next - canvas.clientHeight / 2);
    scale = next;
  };
  const fit = (least) =>
    zoom(Math.max(least, Math.min(1.2, canvas.clientWidth / width, (innerHeight * 0.7) / height)));
  one("#smaller").addEventListener("click", () => zoom(scale / 1.25));
  one("#larger").addEventListener("click", () => zoom(scale * 1.25));
  one("#fit").addEventListener("click", () => fit(0.15));
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoom(scale * Math.exp(-event.deltaY / 300));
  }, { passive: false });
  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" || event.button || event.target.closest(".node")) return;
    drag = [event.clientX + canvas.scrollLeft, event.clientY + canvas.scrollTop];
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (drag) canvas.scrollTo(drag[0] - event.clientX, drag[1] - event.clientY);
  });
  canvas.addEventListener("pointerup", () => { drag = null; });
  canvas.addEventListener("pointercancel", () => { drag = null; });
  fit(0.5);
  canvas.scrollTo(0, (canvas.scrollHeight - canvas.clientHeight) / 2);
})();
