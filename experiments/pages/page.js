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
for (const table of document.querySelectorAll("details table")) {
  const heads = [...table.tHead.rows[0].cells].map(head => head.textContent.trim()), rows = [...table.tBodies[0].rows];
  const of = name => [...new Set(rows.map(row => row.cells[heads.indexOf(name)].textContent))];
  const wanted = {}, bar = document.createElement("div");
  const show = () => rows.forEach(row => {
    row.hidden = Object.entries(wanted).some(([name, value]) => value !== null && row.cells[heads.indexOf(name)].textContent !== value);
  });
  bar.className = "pick";
  for (const name of ["language", "target", "layer"].filter(name => heads.includes(name) && of(name).length > 1)) {
    const label = document.createElement("label"), values = of(name), shown = document.createElement("output");
    const slider = name === "layer", pick = document.createElement(slider ? "input" : "select");
    label.append(`${name} `, pick);
    if (slider) {
      Object.assign(pick, { type: "range", min: -1, max: values.length - 1, value: -1 });
      label.append(shown);
      shown.value = "all";
    } else {
      pick.append(new Option("all", ""), ...values.map(value => new Option(value, value)));
    }
    pick.addEventListener("input", () => {
      wanted[name] = slider ? values[pick.value] ?? null : pick.value || null;
      shown.value = wanted[name] ?? "all";
      show();
    });
    bar.append(label);
  }
  if (bar.childElementCount) table.closest(".wide").before(bar);
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
