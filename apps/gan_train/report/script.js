"use strict";

/* Tables whose columns sort; a cell's order is its figure's, else its text's. */
(() => {
  const valueOf = (cell) => {
    const figure = cell.querySelector("data");
    if (figure) return Number(figure.value);
    return cell.textContent.trim() === "-" ? NaN : cell.textContent.trim();
  };
  const order = (a, b) => {
    const missing = Number(Number.isNaN(a)) - Number(Number.isNaN(b));
    if (missing || Number.isNaN(a)) return { rank: missing, always: true };
    return { rank: typeof a === "string" ? a.localeCompare(b) : a - b, always: false };
  };
  const sort = (table, column, down) => {
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => ({ row, value: valueOf(row.cells[column]) }));
    rows.sort((a, b) => {
      const { rank, always } = order(a.value, b.value);
      return down && !always ? -rank : rank;
    });
    body.append(...rows.map(({ row }) => row));
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        sort(table, column, down);
      });
    });
  }
})();

/* The raw figures as a file. */
(() => {
  const button = document.getElementById("save-raw");
  button.hidden = false;
  button.addEventListener("click", () => {
    const text = document.getElementById("figures").textContent;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = "gan_train.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
})();

/* What is folded away is printed. */
addEventListener("beforeprint", () => {
  for (const one of document.querySelectorAll("details.printed")) one.open = true;
});

/* Timelines: what is alive where one points, in the records that the page holds. */
(() => {
  const records = JSON.parse(document.getElementById("records").textContent);
  const [BYTES, NAME, SHAPE, PHASE, RELEASE, ROLE, BEGIN, END] = [0, 1, 2, 3, 4, 5, 6, 7];
  const rank = records.order.reduce((ranks, role, place) => Object.assign(ranks, { [role]: place }), {});
  const size = (bytes) => (bytes >= 1 << 20 ? (bytes / 1048576).toFixed(2) + " MiB" : (bytes / 1024).toFixed(1) + " KiB");
  const element = (name, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };

  /* The items alive at an instant, from the bottom up: {item, role, low}. */
  const stackAt = (record, instant) => {
    const roles = new Map();
    for (const [event, item, role] of record.roles) if (event < instant) roles.set(item, role);
    const alive = record.items
      .map((item, index) => ({ index, item, role: roles.has(index) ? roles.get(index) : item[ROLE] }))
      .filter(({ item }) => item[BEGIN] <= instant && instant <= item[END])
      .sort((a, b) => rank[a.role] - rank[b.role] || a.index - b.index);
    let low = 0;
    for (const one of alive) {
      one.low = low;
      low += one.item[BYTES];
    }
    return alive;
  };

  const describe = ({ item, role }) => {
    const text = (index) => records.texts[item[index]];
    const release = text(RELEASE);
    return (
      `${text(NAME)}, ${text(SHAPE) ? text(SHAPE) + ", " : ""}${size(item[BYTES])}, ${records.roles[role]}` +
      `; made in ${text(PHASE)}; released by ${release}`
    );
  };

  const watch = (figure, record) => {
    const svg = figure.querySelector("svg");
    const areas = svg.querySelector(".areas");
    const output = figure.querySelector("output");
    const [, , instants, units] = areas.getAttribute("viewBox").split(" ").map(Number);
    const band = element("path", { class: "band" });
    let at = { instant: record.peak, place: -1 };
    areas.append(band);
    svg.setAttribute("tabindex", "0");

    /* The outline of an item over its life, as the items below it come and go. */
    const outline = (index) => {
      const item = record.items[index];
      let top = "";
      let bottom = "";
      for (let i = item[BEGIN]; i <= item[END]; i++) {
        const one = stackAt(record, i).find((other) => other.index === index);
        const y = (bytes) => Math.round(units * (1 - bytes / records.bytes));
        top += `${top ? "L" : "M"}${i} ${y(one.low + item[BYTES])}H${i + 1}`;
        bottom = `L${i + 1} ${y(one.low)}H${i}` + bottom;
      }
      return top + bottom + "Z";
    };

    const show = (instant, place) => {
      const alive = stackAt(record, instant);
      at = { instant, place: Math.max(0, Math.min(alive.length - 1, place)) };
      const one = alive[at.place];
      output.textContent = one ? describe(one) : "";
      band.setAttribute("d", one ? outline(one.index) : "");
    };
    const hide = () => {
      output.textContent = "";
      band.removeAttribute("d");
    };

    svg.addEventListener("pointermove", (event) => {
      const box = areas.getScreenCTM().inverse();
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(box);
      const instant = Math.floor(point.x);
      if (instant < 0 || instant > record.events) return;
      const bytes = (1 - point.y / units) * records.bytes;
      const place = stackAt(record, instant).findIndex(({ low, item }) => low <= bytes && bytes < low + item[BYTES]);
      if (place < 0) hide();
      else if (place !== at.place || instant !== at.instant || !output.textContent) show(instant, place);
    });
    svg.addEventListener("pointerleave", hide);
    svg.addEventListener("focus", () => show(record.peak, stackAt(record, record.peak).length - 1));
    svg.addEventListener("blur", hide);
    svg.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
      const move = moves[event.key];
      if (!move) return;
      event.preventDefault();
      const instant = Math.max(0, Math.min(record.events, at.instant + move[0]));
      show(instant, at.place + move[1]);
    });
  };

  for (const figure of document.querySelectorAll("figure[data-record]")) watch(figure, records.records[figure.dataset.record]);
  for (const one of document.querySelectorAll(".scripted")) one.hidden = false;
})();

/* The slider over batch sizes: bars of what the table of plans says. */
(() => {
  const table = document.getElementById("batches");
  const slider = document.getElementById("batch");
  if (!table) return;
  const names = [...table.tHead.rows[0].cells].slice(1).map((cell) => cell.textContent);
  const rows = [...table.tBodies[0].rows];
  const bars = document.getElementById("batch-bars");
  const lines = names.map((name) => {
    const row = document.createElement("div");
    const bar = document.createElement("div");
    const parts = [document.createElement("span"), document.createElement("span"), document.createElement("span")];
    row.className = "slider-row";
    bar.className = "slider-bar";
    bar.append(parts[0], parts[1]);
    row.append(Object.assign(document.createElement("span"), { textContent: name }), bar, parts[2]);
    bars.append(row);
    return parts;
  });
  const size = (bytes) => (bytes < 2 ** 30 ? (bytes / 2 ** 20).toFixed(1) + " MiB" : (bytes / 2 ** 30).toFixed(2) + " GiB");
  const show = () => {
    const row = rows[slider.value];
    const batch = row.cells[0].textContent;
    const figures = names.map((_, i) => [...row.cells[i + 1].querySelectorAll("data")].map((one) => Number(one.value)));
    const most = Math.max(...figures.map(([peak]) => peak || 0));
    document.getElementById("batch-size").textContent = batch;
    slider.setAttribute("aria-valuetext", "batch " + batch);
    lines.forEach(([whole, saved, text], i) => {
      const [peak, kept] = figures[i];
      whole.style.width = (peak ? (100 * peak) / most : 0) + "%";
      saved.style.width = (peak ? (100 * kept) / most : 0) + "%";
      text.textContent = peak ? `${size(peak)}, saved ${size(kept)}` : "too large for a plan";
    });
  };
  slider.max = rows.length - 1;
  const current = Number(slider.dataset.batch);
  slider.value = rows.findIndex((row) => Number(row.cells[0].textContent) >= current);
  slider.addEventListener("input", show);
  show();
})();
