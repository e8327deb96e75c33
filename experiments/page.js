for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement, body = head.closest("table").tBodies[0];
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = row => row.cells[head.cellIndex].dataset.value;
    const order = (a, b) => {
      if (key(a) === "nan" || key(b) === "nan") return (key(a) === "nan") - (key(b) === "nan");
      const difference = key(a) - key(b);
      return (Number.isNaN(difference) ? key(a).localeCompare(key(b)) : difference) * (down ? -1 : 1);
    };
    body.append(...[...body.rows].sort(order));
  });
}
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(one => one.open = true));
