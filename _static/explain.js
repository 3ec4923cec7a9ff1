// A citation shows its reference and a term its definition, to a pointer and to the keyboard. Bootstrap comes with the theme; without it the title stays a title.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("main a[href*='references.html#'][title], main a[href*='glossary.html#term-'][title]").forEach(link => new bootstrap.Tooltip(link));
});
