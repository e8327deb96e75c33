const key = (row, column) => {
  const cell = row.cells[column];
  return cell.dataset.value ?? cell.textContent;
};
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement, body = head.closest("table").tBodies[0], column = head.cellIndex;
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const order = (one, two) => {
      const [a, b] = [key(one, column), key(two, column)];
      if (a === "nan" || b === "nan") return (a === "nan") - (b === "nan");
      const difference = a - b;
      return (Number.isNaN(difference) ? a.localeCompare(b) : difference) * (down ? -1 : 1);
    };
    body.append(...[...body.rows].sort(order));
  });
}
for (const [event, open] of [["beforeprint", true], ["afterprint", false]]) {
  addEventListener(event, () => document.querySelectorAll(".more").forEach(one => { one.open = open; }));
}
for (const button of document.querySelectorAll(".copy button")) {
  const text = button.parentElement.querySelector("pre");
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(text);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
}
