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
